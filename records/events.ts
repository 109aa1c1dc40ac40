import { sql } from 'kysely'
import type { Db, Queryable } from './database.ts'
import type { ComputeState, Reason } from '../workflows/compute/contract.ts'

export interface NewEvent {
  readonly groupId: string
  readonly computeId?: string
  readonly generation?: number
  readonly type: string
  readonly state?: ComputeState
  readonly reason?: Reason
  readonly actor: string
  /** Never a value of env, a token or file content. */
  readonly data?: Readonly<Record<string, unknown>>
}

export interface EventRecord {
  /** Opaque cursor `<xid>-<seq>`: rises; give it back as `after`. */
  readonly cursor: string
  readonly groupId: string
  readonly computeId: string | null
  readonly generation: number | null
  readonly type: string
  readonly state: string | null
  readonly reason: string | null
  readonly actor: string
  readonly data: Record<string, unknown>
  readonly at: string
}

/** Channel that wakes event readers; the payload is the compute's id. */
export const EVENTS_CHANNEL = 'dormouse_events'

/** Appends in the caller's transaction: the event exists exactly when its transition does. */
export const appendEvent = async (db: Queryable, event: NewEvent): Promise<void> => {
  await db
    .insertInto('events')
    .values({
      group_id: event.groupId,
      compute_id: event.computeId ?? null,
      generation: event.generation ?? null,
      type: event.type,
      state: event.state ?? null,
      reason: event.reason ?? null,
      actor: event.actor,
      data: JSON.stringify(event.data ?? {}),
    })
    .execute()
  await sql`select pg_notify(${EVENTS_CHANNEL}, ${event.computeId ?? ''})`.execute(db)
}

/**
 * Events after `after`, oldest first, only of transactions older than every open one: a reader that
 * keeps the last cursor misses nothing that commits late.
 */
export const readEvents = async (
  db: Db,
  query: {
    readonly computeId?: string
    /** Omit only for operators. */
    readonly groupIds?: readonly string[]
    readonly after?: string
    readonly limit: number
    /** The newest `limit` instead of the oldest; still given oldest first. */
    readonly newest?: boolean
  },
): Promise<readonly EventRecord[]> => {
  if (query.groupIds?.length === 0) return []
  let select = db
    .selectFrom('events')
    .selectAll()
    .where(sql<boolean>`xid < pg_snapshot_xmin(pg_current_snapshot())`)
    .orderBy('xid', query.newest ? 'desc' : 'asc')
    .orderBy('seq', query.newest ? 'desc' : 'asc')
    .limit(query.limit)
  if (query.computeId !== undefined) select = select.where('compute_id', '=', query.computeId)
  if (query.groupIds !== undefined) select = select.where('group_id', 'in', [...query.groupIds])
  if (query.after !== undefined) {
    const [xid, seq] = parseCursor(query.after)
    select = select.where(sql<boolean>`(xid, seq) > (${xid}::xid8, ${seq}::bigint)`)
  }
  const rows = await select.execute()
  return (query.newest ? rows.reverse() : rows).map((row) => ({
    cursor: `${row.xid}-${row.seq}`,
    groupId: row.group_id,
    computeId: row.compute_id,
    generation: row.generation,
    type: row.type,
    state: row.state,
    reason: row.reason,
    actor: row.actor,
    data: row.data,
    at: row.at.toISOString(),
  }))
}

/** Of what a cursor looks like. What has a digit more may be no number of the database. */
export const CURSOR = '^\\d{1,19}-\\d{1,18}$'
const CURSOR_SHAPE = new RegExp(CURSOR)

const isCursor = (text: string): boolean => CURSOR_SHAPE.test(text)

const parseCursor = (cursor: string): [string, string] => {
  if (!isCursor(cursor)) throw new Error(`not an event cursor: ${cursor}`)
  const [xid, seq] = cursor.split('-') as [string, string]
  return [xid, seq]
}
