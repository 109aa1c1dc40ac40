/**
 * The map in front of a sparse file's data, GNU tar format 1.0: decimal numbers, one a line —
 * count, then offset and length of each segment — padded with NUL to a multiple of 512.
 */
import { Failure } from '../errors.ts'
import type { Segment } from './libc.ts'

const BLOCK_BYTES = 512
const LONGEST_NUMBER = 20
/** 1 GiB of alternating 4 KiB pages; more is an attack or better stored whole. */
export const MOST_SEGMENTS = 131_072

export const encodeSparseMap = (segments: readonly Segment[]): Buffer => {
  const text = [segments.length, ...segments.flatMap(({ offset, length }) => [offset, length])]
    .map((number) => `${number}\n`)
    .join('')
  const map = Buffer.alloc(Math.ceil(text.length / BLOCK_BYTES) * BLOCK_BYTES)
  map.write(text, 'latin1')
  return map
}

/** Reads a map as its bytes come in; `segments` is set once it is whole. Errors: invalid. */
export class SparseMapReader {
  readonly #realSize: number
  readonly #numbers: number[] = []
  #wanted = 1
  #digits = ''
  #consumed = 0
  segments: readonly Segment[] | null = null

  constructor(realSize: number) {
    this.#realSize = realSize
  }

  /** Takes what belongs to the map and returns the rest. */
  take(chunk: Buffer): Buffer {
    let at = 0
    while (at < chunk.length && this.#numbers.length < this.#wanted) this.#digit(chunk[at++] ?? 0)
    this.#consumed += at
    if (this.#numbers.length < this.#wanted) return chunk.subarray(at)
    const padding = Math.min(
      (BLOCK_BYTES - (this.#consumed % BLOCK_BYTES)) % BLOCK_BYTES,
      chunk.length - at,
    )
    this.#consumed += padding
    if (this.#consumed % BLOCK_BYTES === 0) this.segments ??= this.#checked()
    return chunk.subarray(at + padding)
  }

  #digit(byte: number): void {
    const character = String.fromCharCode(byte)
    if (character === '\n' && this.#digits !== '') {
      this.#numbers.push(Number(this.#digits))
      this.#digits = ''
      const count = this.#numbers[0] ?? 0
      if (count > MOST_SEGMENTS) throw broken()
      this.#wanted = 1 + 2 * count
    } else if (character >= '0' && character <= '9' && this.#digits.length < LONGEST_NUMBER) {
      this.#digits += character
    } else throw broken()
  }

  #checked(): readonly Segment[] {
    const segments: Segment[] = []
    let end = 0
    for (let i = 1; i < this.#numbers.length; i += 2) {
      const [offset = 0, length = 0] = this.#numbers.slice(i, i + 2)
      if (offset < end || offset + length > this.#realSize) throw broken()
      segments.push({ offset, length })
      end = offset + length
    }
    return segments
  }
}

const broken = (): Failure => new Failure('invalid', 'The archive has a broken sparse file.')
