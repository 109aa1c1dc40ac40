import { Ring } from './ring.ts'

const CHUNK_BYTES = 32 * 1024

/** Someone who reads a stream at their own pace. */
export interface Reader {
  /** Offset of the next byte to send; moved by the fan-out. */
  position: number
  /** Bytes it can take now; 0 while it is behind, and then it calls `pump(reader)` when it can again. */
  room(): number
  output(offset: number, bytes: Buffer): void
  truncated(from: number, to: number): void
  /** Called once all bytes were handed over and the stream has ended. */
  ended(): void
}

/** What feeds it: paused only while every reader is behind, never when there is none. */
export interface Source {
  pause(): void
  resume(): void
}

/**
 * One stream, many readers, bounded memory. Bytes live once, in the ring; each reader pulls from
 * there. One that falls out of the ring is told what it lost and goes on: it never holds up others.
 */
export class Fanout {
  readonly #ring: Ring
  readonly #source: Source
  readonly #readers = new Set<Reader>()
  readonly #finished = new WeakSet<Reader>()
  readonly #highBytes: number
  readonly #lowBytes: number
  #paused = false
  #ended = false
  #scheduled = false

  constructor(ringBytes: number, source: Source) {
    this.#ring = new Ring(ringBytes)
    this.#source = source
    this.#highBytes = ringBytes / 2
    this.#lowBytes = ringBytes / 8
  }

  get end(): number {
    return this.#ring.end
  }
  get earliest(): number {
    return this.#ring.earliest
  }
  get readers(): number {
    return this.#readers.size
  }
  get paused(): boolean {
    return this.#paused
  }

  append(bytes: Uint8Array): void {
    this.#ring.append(bytes)
    this.#pumpAllSoon()
    this.#balance()
  }

  /** No more bytes will come; readers get `ended` once they have them all. */
  finish(): void {
    this.#ended = true
    this.#pumpAllSoon()
  }

  add(reader: Reader): void {
    this.#readers.add(reader)
    this.pump(reader)
  }

  remove(reader: Reader): void {
    this.#readers.delete(reader)
    this.#balance()
  }

  pump(reader: Reader): void {
    if (!this.#readers.has(reader)) return
    const ring = this.#ring
    while (reader.position < ring.end) {
      const room = reader.room()
      if (room <= 0) break
      if (reader.position < ring.earliest) {
        const from = reader.position
        reader.position = ring.earliest
        reader.truncated(from, ring.earliest)
        continue
      }
      const bytes = ring.read(reader.position, Math.min(room, CHUNK_BYTES))
      const offset = reader.position
      reader.position += bytes.length
      reader.output(offset, bytes)
    }
    this.#balance()
    if (this.#ended && reader.position >= ring.end && !this.#finished.has(reader)) {
      this.#finished.add(reader)
      reader.ended()
    }
  }

  /** Once per turn of the loop: many small reads of a flood become few large frames. */
  #pumpAllSoon(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      for (const reader of this.#readers) this.pump(reader)
    })
  }

  #balance(): void {
    const least = Math.min(...[...this.#readers].map(({ position }) => this.#ring.end - position))
    const behind = this.#readers.size > 0 && least > this.#highBytes
    const caughtUp = this.#readers.size === 0 || least <= this.#lowBytes
    if (!this.#paused && behind) {
      this.#paused = true
      this.#source.pause()
    } else if (this.#paused && caughtUp) {
      this.#paused = false
      this.#source.resume()
    }
  }
}
