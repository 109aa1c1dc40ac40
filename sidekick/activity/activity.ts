/**
 * What keeps the compute up (spec rule 4). Touches are moments (a keystroke, a byte through a
 * port); holds last (a running command). Synchronous throughout, so "freeze if idle for t" is one
 * atomic step: nothing can happen between asking `idleForMs()` and setting the state.
 */
export class Activity {
  readonly #now: () => number
  readonly #holds = new Map<symbol, string>()
  #lastAt: number
  #lastReason: string | null = null

  /** `now` is monotonic milliseconds. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
    this.#lastAt = now()
  }

  /** Something happened now. Reasons name the kind and an id or program, never arguments or content. */
  touch(reason: string): void {
    this.#lastAt = this.#now()
    this.#lastReason = reason
  }

  /** Active until the returned function is called. */
  hold(reason: string): () => void {
    const key = Symbol(reason)
    this.#holds.set(key, reason)
    this.touch(reason)
    return () => {
      if (this.#holds.delete(key)) this.touch(reason)
    }
  }

  /** Milliseconds since the last activity; 0 while something is held. */
  idleForMs(): number {
    return this.#holds.size > 0 ? 0 : Math.max(0, Math.floor(this.#now() - this.#lastAt))
  }

  /** What was active within the last `withinMs`; null when nothing was. */
  reason(withinMs = 5 * 60_000): string | null {
    for (const held of this.#holds.values()) return held
    return this.idleForMs() < withinMs ? this.#lastReason : null
  }
}
