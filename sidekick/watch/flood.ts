import { readFileSync } from 'node:fs'

const limit = (name: string, fallback: number): number => {
  try {
    return Number(readFileSync(`/proc/sys/fs/inotify/${name}`, 'utf8')) || fallback
  } catch {
    return fallback
  }
}

/**
 * The kernel drops changes when its queue is full, and libuv does not say so. All that is queued is
 * delivered in one turn of the loop, so a turn with nearly a queue's worth of events is the sign.
 */
export class Flood {
  readonly #limit: number
  readonly #flooded: () => void
  #count = 0

  constructor(flooded: () => void, queueLength = limit('max_queued_events', 16_384)) {
    this.#limit = queueLength / 2
    this.#flooded = flooded
  }

  count(): void {
    if (this.#count === 0)
      setImmediate(() => {
        if (this.#count >= this.#limit) this.#flooded()
        this.#count = 0
      })
    this.#count += 1
  }
}
