import { sql } from 'kysely'
import { DormouseError } from '../workflows/errors.ts'
import type { Db, Queryable } from './database.ts'
import { lockUser } from './user-lock.ts'

/** States that hold no memory of a node. */
const DOWN = ['hibernated', 'failed', 'terminated'] as const
/** By then the row of a compute that was asked to wake says so itself. */
const ASKED_FOR_S = 15

/**
 * How many computes of one user may be up at once, whatever groups they are in: of its owner, who may
 * be another than the one who asks. Refuses with QuotaExceeded.
 */
export const createUpQuota = (db: Db, cap: number) => {
  const check = async (tx: Queryable, ownerId: string, computeId: string): Promise<void> => {
    await lockUser(tx, ownerId)
    const up = await tx
      .selectFrom('computes')
      .select('id')
      .where('owner_id', '=', ownerId)
      .where('id', '!=', computeId)
      .where('state', '!=', 'terminated')
      .where((on) =>
        on.or([
          on('state', 'not in', [...DOWN]),
          on('wake_asked_at', '>', sql<Date>`now() - make_interval(secs => ${ASKED_FOR_S})`),
        ]),
      )
      .execute()
    if (up.length >= cap)
      throw new DormouseError(
        'QuotaExceeded',
        `${up.length} computes of this user are up; the cap is ${cap}. Hibernate one, or wait until one falls asleep`,
        { quota: 'computes_up', used: up.length, cap },
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
            // In the same transaction, so that those who wait for the lock see this one.
            await tx
              .updateTable('computes')
              .set({ wake_asked_at: sql<Date>`clock_timestamp()` })
              .where('id', '=', row.id)
              .execute()
          }),
  }
}
export type UpQuota = ReturnType<typeof createUpQuota>
