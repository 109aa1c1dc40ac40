const FIRST_CAPACITY_BYTES = 16 * 1024

/**
 * The last `maxBytes` of a byte stream, addressed by offset from the stream's beginning. Takes
 * memory as it fills, never more than `maxBytes`.
 */
export class Ring {
  readonly #maxBytes: number
  #buffer: Buffer
  #end = 0
  #earliest = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
    this.#buffer = Buffer.alloc(Math.min(FIRST_CAPACITY_BYTES, maxBytes))
  }

  /** Offset after the last byte. */
  get end(): number {
    return this.#end
  }

  /** Offset of the oldest byte still here. */
  get earliest(): number {
    return this.#earliest
  }

  append(bytes: Uint8Array): void {
    this.#reserve(Math.min(this.#maxBytes, this.#end - this.#earliest + bytes.length))
    const capacity = this.#buffer.length
    const kept = bytes.length > capacity ? bytes.subarray(bytes.length - capacity) : bytes
    const start = this.#end + bytes.length - kept.length
    this.#put(kept, start)
    this.#end += bytes.length
    this.#earliest = Math.max(this.#earliest, this.#end - capacity)
  }

  /** A copy of up to `maxBytes` from `offset`, which must lie between earliest and end. */
  read(offset: number, maxBytes: number): Buffer {
    if (offset < this.#earliest || offset > this.#end)
      throw new RangeError(`offset ${offset} is outside ${this.#earliest}–${this.#end}`)
    const size = Math.min(maxBytes, this.#end - offset)
    const out = Buffer.allocUnsafe(size)
    const at = offset % this.#buffer.length
    const first = Math.min(size, this.#buffer.length - at)
    this.#buffer.copy(out, 0, at, at + first)
    this.#buffer.copy(out, first, 0, size - first)
    return out
  }

  #reserve(bytes: number): void {
    if (bytes <= this.#buffer.length) return
    const held = this.read(this.#earliest, this.#buffer.length)
    let capacity = this.#buffer.length
    while (capacity < bytes) capacity *= 2
    this.#buffer = Buffer.alloc(Math.min(capacity, this.#maxBytes))
    this.#put(held, this.#earliest)
  }

  #put(bytes: Uint8Array, offset: number): void {
    const at = offset % this.#buffer.length
    const first = Math.min(bytes.length, this.#buffer.length - at)
    this.#buffer.set(bytes.subarray(0, first), at)
    this.#buffer.set(bytes.subarray(first), 0)
  }
}
