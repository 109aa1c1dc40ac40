import { DormouseError } from '../workflows/errors.ts'
import type { Db, Queryable } from './database.ts'
import { lockUser } from './user-lock.ts'

/** States that hold no memory of a node. */
const DOWN = ['hibernated', 'failed', 'terminated'] as const
/** By then the row of a compute that was asked to wake says so itself. */
const ASKED_FOR_MS = 15_000

/**
 * How many computes of one user may be up at once, whatever groups they are in: of its owner, who may
 * be another than the one who asks. Refuses with QuotaExceeded.
 */
export const createUpQuota = (db: Db, cap: number) => {
  /** compute → asked to wake by this process just now; its row does not show it yet. */
  const asked = new Map<string, { readonly ownerId: string; readonly untilMs: number }>()

  const check = async (tx: Queryable, ownerId: string, computeId: string): Promise<void> => {
    await lockUser(tx, ownerId)
    const up = await tx
      .selectFrom('computes')
      .select('id')
      .where('owner_id', '=', ownerId)
      .where('state', 'not in', [...DOWN])
      .execute()
    const now = performance.now()
    for (const [id, { untilMs }] of asked) if (untilMs < now) asked.delete(id)
    const waking = [...asked].filter(([, one]) => one.ownerId === ownerId).map(([id]) => id)
    const used = new Set([...up.map(({ id }) => id), ...waking])
    used.delete(computeId)
    if (used.size >= cap)
      throw new DormouseError(
        'QuotaExceeded',
        `${used.size} computes of this user are up; the cap is ${cap}. Hibernate one, or wait until one falls asleep`,
        { quota: 'computes_up', used: used.size, cap },
      )
  }

  return {
    /** In the transaction that inserts the row. */
    check,
    /** For a compute that is about to be asked to come up; one that is up already passes. */
    takePlace: (row: {
      readonly id: string
      readonly owner_id: string
      readonly state: string
    }): Promise<void> =>
      !DOWN.some((state) => state === row.state)
        ? Promise.resolve()
        : db.transaction().execute(async (tx) => {
            await check(tx, row.owner_id, row.id)
            // Before the lock is given up, so that those who wait for it see this one.
            asked.set(row.id, { ownerId: row.owner_id, untilMs: performance.now() + ASKED_FOR_MS })
          }),
  }
}
export type UpQuota = ReturnType<typeof createUpQuota>
