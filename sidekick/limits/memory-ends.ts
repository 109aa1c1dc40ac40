import type { ActivityStatus } from '../protocol.ts'

const MOST_NAMED = 10

/** What the memory guard ended since the start, for who asks later: a terminal may not have been open. */
export class MemoryEnds {
  readonly #now: () => number
  readonly #last: { readonly name: string; readonly atMs: number }[] = []
  #count = 0

  /** `now` is monotonic milliseconds. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  add(name: string): void {
    this.#count += 1
    this.#last.push({ name, atMs: this.#now() })
    if (this.#last.length > MOST_NAMED) this.#last.shift()
  }

  status(): NonNullable<ActivityStatus['endedForMemory']> {
    const now = this.#now()
    return {
      count: this.#count,
      last: this.#last.map(({ name, atMs }) => ({ name, agoMs: Math.floor(now - atMs) })),
    }
  }
}
