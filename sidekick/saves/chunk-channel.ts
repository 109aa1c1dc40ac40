/** Bytes from one thread to another, at most WINDOW chunks under way: neither side runs ahead. */

const WINDOW = 8

export class ChunkSender {
  readonly #post: (bytes: Uint8Array<ArrayBuffer>) => void
  #underWay = 0
  #wake: (() => void) | null = null

  constructor(post: (bytes: Uint8Array<ArrayBuffer>) => void) {
    this.#post = post
  }

  /** Copies; resolves when the next chunk may come. */
  async send(bytes: Uint8Array): Promise<void> {
    // A buffer of its own, so that it can be handed over instead of being copied once more.
    this.#post(new Uint8Array(bytes))
    this.#underWay += 1
    if (this.#underWay >= WINDOW) await new Promise<void>((resolve) => (this.#wake = resolve))
  }

  taken(): void {
    this.#underWay -= 1
    this.#wake?.()
    this.#wake = null
  }
}

export class ChunkReceiver implements AsyncIterable<Buffer> {
  readonly #onTaken: () => void
  readonly #chunks: Buffer[] = []
  #ended = false
  #error: unknown = null
  #wake: (() => void) | null = null

  constructor(onTaken: () => void) {
    this.#onTaken = onTaken
  }

  push(bytes: Uint8Array<ArrayBuffer>): void {
    this.#chunks.push(Buffer.from(bytes.buffer))
    this.#notify()
  }

  end(): void {
    this.#ended = true
    this.#notify()
  }

  fail(error: unknown): void {
    this.#error = error
    this.end()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer, void, undefined> {
    for (;;) {
      const chunk = this.#chunks.shift()
      if (chunk) {
        yield chunk
        this.#onTaken()
      } else if (this.#error) throw this.#error
      else if (this.#ended) return
      else await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }

  #notify(): void {
    this.#wake?.()
    this.#wake = null
  }
}
