/** Follows one direction of a WebSocket by its frame headers, to tell traffic from pings. */
export class FrameMeter {
  #header: number[] = []
  #left = 0
  #isData = false

  /** True between two frames: the only place where a frame of our own may stand. */
  get atBoundary(): boolean {
    return this.#left === 0 && this.#header.length === 0
  }

  /** Whether these bytes hold any of a data frame; pings, pongs and closes are not traffic. */
  sawData(bytes: Uint8Array): boolean {
    let saw = false
    for (let at = 0; at < bytes.length;) {
      if (this.#left > 0) {
        const step = Math.min(this.#left, bytes.length - at)
        this.#left -= step
        at += step
        saw ||= this.#isData
        continue
      }
      this.#header.push(bytes[at]!)
      at += 1
      const size = headerSize(this.#header)
      if (this.#header.length < size) continue
      this.#isData = (this.#header[0]! & 0x0f) < 8
      this.#left = payloadSize(this.#header)
      this.#header = []
      saw ||= this.#isData
    }
    return saw
  }
}

const headerSize = (header: readonly number[]): number => {
  if (header.length < 2) return 2
  const length = header[1]! & 0x7f
  const mask = header[1]! & 0x80 ? 4 : 0
  return 2 + mask + (length === 126 ? 2 : length === 127 ? 8 : 0)
}

const payloadSize = (header: readonly number[]): number => {
  const length = header[1]! & 0x7f
  if (length < 126) return length
  const digits = header.slice(2, length === 126 ? 4 : 10)
  return digits.reduce((size, digit) => size * 256 + digit, 0)
}

/** An unmasked close frame, as a server sends it. */
export const closeFrame = (code: number, reason: string): Buffer => {
  const text = Buffer.from(reason).subarray(0, 120)
  return Buffer.concat([Buffer.from([0x88, text.length + 2, code >> 8, code & 0xff]), text])
}
