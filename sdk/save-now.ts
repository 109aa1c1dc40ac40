import type { Client } from './client.ts'
import { Problem } from './problem.ts'
import { pause } from './server-events.ts'

const LONGEST_WAIT_S = 60
const LOOK_EVERY_MS = 1_000
/** A save that finds nothing to do says nothing: it is asked for again, but seldom, since each ask is a save. */
const AGAIN_MS = 5 * 60_000

interface Saving {
  readonly computes: Pick<Client['computes'], 'checkpoint'>
  readonly events: Pick<Client['events'], 'page'>
}

/**
 * Saves a running compute's files as they are now, however long that takes; a large tree takes minutes.
 * Errors: Problem, also for a save that failed after the request for it was answered.
 */
export const saveNow = async (client: Saving, computeId: string): Promise<void> => {
  let after = (await client.events.page({ computeId, tail: 1 })).next_cursor
  while ((await client.computes.checkpoint(computeId, { wait: LONGEST_WAIT_S })).settled === false)
    after = await untilSaved(client, computeId, after)
}

/** The cursor after which a save was published, or the compute left the state in which it saves. */
const untilSaved = async (
  client: Saving,
  computeId: string,
  since: string | null,
): Promise<string | null> => {
  let after = since
  for (const endsAt = Date.now() + AGAIN_MS; Date.now() < endsAt; await pause(LOOK_EVERY_MS)) {
    const { items } = await client.events.page({ computeId, ...(after !== null && { after }) })
    for (const { type, state, cursor, data } of items) {
      after = cursor
      if (type === 'compute.save_failed') throw failed(data['problem'])
      if (type === 'snapshot.published' || (state !== null && state !== 'running')) return after
    }
  }
  return after
}

const failed = (problem: unknown): Problem => {
  const { code, message } = (problem ?? {}) as { code?: string; message?: string }
  return new Problem({
    status: 503,
    code: code ?? 'SaveFailed',
    message: `the files could not be saved: ${message ?? 'its events say more'}`,
  })
}
