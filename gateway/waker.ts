import { setTimeout as sleep } from 'node:timers/promises'
import { request } from 'undici'
import type { Directory } from './directory-cache.ts'
import { Refusal } from './refusal.ts'
import { isFailureName } from '../workflows/errors.ts'
import { isReady, type ReadyEntry } from './whereabouts.ts'

/** A header and its value: the caller's own credential, as the API takes it. */
export type WakeCredential = readonly [name: string, value: string]

export interface Waker {
  /** Holds until the compute is up; throws a Refusal when it will not be within the bound. */
  wake(computeId: string, credential: WakeCredential): Promise<ReadyEntry>
}

const POLL_MS = 150
/** The API takes no longer wait; after it the row is looked at. */
const LONGEST_WAIT_S = 60

/** Wakes through the API, once for all requests that wait for the same compute. */
export const createWaker = (deps: {
  readonly directory: Directory
  readonly apiUrl: string
  readonly apiOrigin: string
  readonly waitMs: number
  readonly onWake?: (outcome: 'woken' | 'refused') => void
}): Waker => {
  const under = new Map<string, Promise<ReadyEntry>>()

  const lead = async (computeId: string, credential: WakeCredential): Promise<ReadyEntry> => {
    const deadline = performance.now() + deps.waitMs
    await askApi(computeId, credential, deadline)
    for (;;) {
      const entry = await deps.directory.find(computeId, true)
      if (entry !== undefined && isReady(entry)) return entry
      if (entry === undefined || entry.state === 'failed' || entry.state === 'terminated')
        throw new Refusal('ProvisionFailed', 'The compute did not wake.', { state: entry?.state })
      if (performance.now() > deadline)
        throw new Refusal('Unavailable', 'The compute is still waking; try again in a moment.', {
          state: entry.state,
        })
      await sleep(POLL_MS)
    }
  }

  const askApi = async (computeId: string, [name, value]: WakeCredential, deadline: number) => {
    const waitMs = Math.max(0, deadline - performance.now())
    const waitS = Math.min(LONGEST_WAIT_S, Math.floor(waitMs / 1000))
    const answer = await request(
      new URL(`/api/computes/${computeId}/wake?wait=${waitS}`, deps.apiUrl),
      {
        method: 'POST',
        // By its public name also when called by an inner address: the API answers to no other.
        headers: {
          [name]: value,
          host: new URL(deps.apiOrigin).host,
          'content-type': 'application/json',
        },
        body: '{}',
        headersTimeout: waitMs + 5_000,
        bodyTimeout: waitMs + 5_000,
      },
    )
    const body = (await answer.body.json().catch(() => ({}))) as { code?: string; detail?: string }
    if (answer.statusCode >= 400 && answer.statusCode < 500)
      throw new Refusal(
        isFailureName(body.code) ? body.code : 'InvalidState',
        body.detail ?? 'The API refused to wake the compute.',
      )
    if (answer.statusCode >= 500)
      throw new Refusal('Unavailable', 'The compute could not be woken now; try again in a moment.')
  }

  return {
    async wake(computeId, credential) {
      const shared = under.get(computeId)
      if (shared !== undefined) {
        const entry = await shared.catch(() => undefined)
        // Another caller's refusal (its quota, its rate) says nothing about this one.
        if (entry !== undefined) return entry
      }
      const own = lead(computeId, credential)
      under.set(computeId, own)
      const settle = (outcome: 'woken' | 'refused') => {
        if (under.get(computeId) === own) under.delete(computeId)
        deps.onWake?.(outcome)
      }
      own.then(
        () => settle('woken'),
        () => settle('refused'),
      )
      return own
    },
  }
}
