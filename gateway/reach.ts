import { setTimeout as sleep } from 'node:timers/promises'
import type { Directory } from './directory-cache.ts'
import { Refusal } from './refusal.ts'
import { DialError } from './sidekick-dial.ts'
import type { Waker, WakeCredential } from './waker.ts'
import { isReady, isWakeable, notReady, type ReadyEntry } from './whereabouts.ts'

/** Waits between dials; after the last one the sidekick counts as away. */
const BACK_OFF_MS = [50, 200, 500, 1_000]

export interface Reach {
  readonly computeId: string
  /** How to wake it, when the request may: made only if needed. */
  readonly wake: (() => Promise<WakeCredential | undefined>) | undefined
}

/**
 * Runs `attempt` against the sidekick of the compute's current generation, waking it first if the
 * request may. A failed dial is tried again after looking up where the compute is now; anything
 * later than a dial is not repeated.
 */
export const reach = async <T>(
  { computeId, wake }: Reach,
  deps: { readonly directory: Directory; readonly waker: Waker },
  attempt: (entry: ReadyEntry) => Promise<T>,
): Promise<T> => {
  for (let tries = 0; ; tries++) {
    const entry = await whereIs()
    try {
      return await attempt(entry)
    } catch (error) {
      if (!(error instanceof DialError)) throw error
      deps.directory.forget(computeId)
      const waitMs = BACK_OFF_MS[tries]
      if (waitMs === undefined)
        throw new Refusal(
          'SidekickUnreachable',
          'The compute does not answer; try again in a moment.',
        )
      await sleep(waitMs)
    }
  }

  async function whereIs(): Promise<ReadyEntry> {
    const entry = await deps.directory.find(computeId)
    if (entry === undefined) throw new Refusal('NotFound', 'no such thing, or not yours')
    if (isReady(entry)) return entry
    // What was remembered may be a second old, which is long for a compute that just woke.
    const now = await deps.directory.find(computeId, true)
    if (now !== undefined && isReady(now)) return now
    const credential = isWakeable(entry) ? await wake?.() : undefined
    if (credential === undefined) throw notReady(now ?? entry)
    return deps.waker.wake(computeId, credential)
  }
}
