import { randomUUID } from 'node:crypto'
import { Failure } from './errors.ts'
import type { ClaimRequest, Hello } from './protocol.ts'

export type LifeState = Hello['state']

const NEXT: Readonly<Record<LifeState, readonly LifeState[]>> = {
  unclaimed: ['claimed'],
  claimed: ['open', 'retired'],
  open: ['frozen', 'retired'],
  frozen: ['open', 'retired'],
  retired: [],
}

/** The sidekick's state, its claim, and who wants to know when it changes. Lives as long as the process. */
export class Life {
  /** Tells a restarted sidekick from the one that was claimed. */
  readonly bootId = randomUUID()
  #state: LifeState = 'unclaimed'
  #claim: ClaimRequest | undefined
  readonly #listeners = new Set<(now: LifeState, before: LifeState) => void>()

  get state(): LifeState {
    return this.#state
  }

  /** Undefined only while unclaimed. */
  get claim(): ClaimRequest | undefined {
    return this.#claim
  }

  /** Single use; the same claimId again changes nothing. Errors: already_claimed. */
  claimAs(request: ClaimRequest): void {
    if (this.#claim?.claimId === request.claimId) return
    if (this.#claim)
      throw new Failure('already_claimed', 'This sidekick belongs to another claim; start another.')
    this.#claim = request
    this.to('claimed')
  }

  /** Errors: wrong_state, when `next` cannot follow the present state. The state it is in: nothing happens. */
  to(next: LifeState): void {
    const before = this.#state
    if (next === before) return
    if (!NEXT[before].includes(next))
      throw new Failure('wrong_state', `The compute is ${before} and cannot become ${next}.`, {
        state: before,
      })
    this.#state = next
    for (const listener of this.#listeners) listener(next, before)
  }

  onChange(listener: (now: LifeState, before: LifeState) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}
