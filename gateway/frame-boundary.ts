/**
 * Finds where WebSocket frames end in one direction of a piped connection, by their lengths alone
 * (RFC 6455 §5.2): only there may a close frame of ours be put without tearing somebody's message.
 */
export class FrameBoundary {
  /** Bytes left of the frame under way, payload and mask. */
  #left = 0
  /** Header bytes seen so far of the frame that begins. */
  #header: number[] = []

  get atBoundary(): boolean {
    return this.#left === 0 && this.#header.length === 0
  }

  /** Takes all bytes of the chunk as passed. */
  push(chunk: Uint8Array): void {
    let at = 0
    while (at < chunk.length) at += this.#step(chunk, at)
  }

  /** Takes bytes up to the first boundary and says how many they were; undefined: all, and none came. */
  pushToBoundary(chunk: Uint8Array): number | undefined {
    let at = 0
    while (at < chunk.length) {
      at += this.#step(chunk, at)
      if (this.atBoundary) return at
    }
    return undefined
  }

  #step(chunk: Uint8Array, at: number): number {
    if (this.#left > 0) {
      const step = Math.min(this.#left, chunk.length - at)
      this.#left -= step
      return step
    }
    this.#header.push(chunk[at] ?? 0)
    const left = payloadLength(this.#header)
    if (left === undefined) return 1
    this.#header = []
    this.#left = left
    return 1
  }
}

/** Bytes that follow a complete header, the mask included; undefined while header bytes are missing. */
const payloadLength = (header: readonly number[]): number | undefined => {
  const second = header[1]
  if (second === undefined) return undefined
  const mask = (second & 0x80) === 0 ? 0 : 4
  const short = second & 0x7f
  if (short < 126) return short + mask
  const size = short === 126 ? 2 : 8
  if (header.length < 2 + size) return undefined
  return header.slice(2, 2 + size).reduce((value, byte) => value * 256 + byte, 0) + mask
}

/** An unmasked close frame, as a server sends it. */
export const closeFrame = (code: number, reason: string): Buffer => {
  const text = Buffer.from(reason).subarray(0, 123)
  const frame = Buffer.alloc(4 + text.length)
  frame[0] = 0x88
  frame[1] = 2 + text.length
  frame.writeUInt16BE(code, 2)
  text.copy(frame, 4)
  return frame
}
