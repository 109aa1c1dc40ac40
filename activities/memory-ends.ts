/** Whoever asks a sidekick what keeps it up hears what it ended for memory: its user is told by an event. */
import type { Db } from '../records/database.ts'
import { recordMemoryEnds } from '../records/memory-ends.ts'
import type { ActivityStatus } from '../sidekick/protocol.ts'
import type { SidekickControl } from './ports.ts'

/** A sidekick may be taken over by its users: no more of what it says is written down. */
const MOST_NAMED = 10
const LONGEST_NAME = 32
const MOST_COUNTED = 1_000_000

/** What cannot be written now is written by the next question; the answer is never held up by it. */
export const tellingOfMemory = <T extends Pick<SidekickControl, 'activity'>>(
  sidekick: T,
  db: Db,
): T => ({
  ...sidekick,
  async activity(endpoint, target, options) {
    const status = await sidekick.activity(endpoint, target, options)
    const ended = endedIn(status)
    if (ended !== undefined) await recordMemoryEnds(db, target, ended).catch(() => undefined)
    return status
  },
})

const endedIn = ({ endedForMemory: ended }: ActivityStatus) => {
  const count = Number(ended?.count)
  if (!Number.isInteger(count) || count <= 0) return undefined
  const last = Array.isArray(ended?.last) ? ended.last.slice(-MOST_NAMED) : []
  return {
    count: Math.min(count, MOST_COUNTED),
    last: last.map((one: { name?: unknown; agoMs?: unknown } | null) => ({
      name: String(one?.name ?? '')
        .replaceAll(/\p{C}/gu, '?')
        .slice(0, LONGEST_NAME),
      at: new Date(Date.now() - Math.min(Math.max(0, Number(one?.agoMs) || 0), Date.now())),
    })),
  }
}
