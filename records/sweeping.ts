/** What has outlived its use, by the rows alone. Each query touches only what is older than `before`. */
import { sql } from 'kysely'
import type { ComputeProblem } from '../workflows/compute/contract.ts'
import type { ComputeRow } from './computes.ts'
import type { Db, Queryable } from './database.ts'
import { failPending } from './images.ts'

/** Parts no snapshot and no image names, of saves that are over: to be marked, then deleted. */
export const deadParts = async (db: Queryable, before: Date): Promise<readonly string[]> =>
  (
    await db
      .selectFrom('parts')
      .select('key')
      .where('created_at', '<', before)
      .where(
        sql<boolean>`not exists (select 1 from part_references r where r.part_key = parts.key)`,
      )
      .limit(1000)
      .execute()
  ).map(({ key }) => key)

/** True when from now on nothing can refer to it; false when something does after all. */
export const markPartDeleting = (db: Db, key: string): Promise<boolean> =>
  db.transaction().execute(async (tx) => {
    // The lock waits for a publication that holds the part; only then is its reference visible.
    const part = await tx
      .selectFrom('parts')
      .select('key')
      .where('key', '=', key)
      .forUpdate()
      .executeTakeFirst()
    if (part === undefined) return false
    const reference = await tx
      .selectFrom('part_references')
      .select('part_key')
      .where('part_key', '=', key)
      .limit(1)
      .executeTakeFirst()
    if (reference !== undefined) return false
    await tx.updateTable('parts').set({ state: 'deleting' }).where('key', '=', key).execute()
    return true
  })

export const forgetPart = async (db: Queryable, key: string): Promise<void> => {
  await db.deleteFrom('parts').where('key', '=', key).where('state', '=', 'deleting').execute()
}

export const knownParts = async (
  db: Queryable,
  keys: readonly string[],
): Promise<ReadonlySet<string>> => {
  if (keys.length === 0) return new Set()
  const rows = await db
    .selectFrom('parts')
    .select('key')
    .where('key', 'in', [...keys])
    .execute()
  return new Set(rows.map(({ key }) => key))
}

export const dropExpiredTickets = async (db: Queryable, before: Date): Promise<number> =>
  count(await db.deleteFrom('door_tickets').where('expires_at', '<', before).execute())

export const dropExpiredRefreshTokens = async (db: Queryable, before: Date): Promise<number> =>
  count(await db.deleteFrom('refresh_tokens').where('expires_at', '<', before).execute())

export const dropOldIdempotencyKeys = async (db: Queryable, before: Date): Promise<number> =>
  count(await db.deleteFrom('idempotency_keys').where('created_at', '<', before).execute())

/** In the trash since before `before`, with something in it, and no compute on it. */
export const staleTrash = async (db: Queryable, before: Date): Promise<readonly string[]> =>
  (
    await db
      .selectFrom('filesystems')
      .select('id')
      .where('trashed_at', '<', before)
      .where(
        sql<boolean>`exists (select 1 from snapshots s where s.filesystem_id = filesystems.id)`,
      )
      .where(
        sql<boolean>`not exists (select 1 from computes c where c.filesystem_id = filesystems.id and c.state <> 'terminated')`,
      )
      .limit(100)
      .execute()
  ).map(({ id }) => id)

/** A terminated compute writes no more, whatever its row in filesystems says. */
export const dropLeasesOfTerminated = async (db: Queryable, before: Date): Promise<number> =>
  Number(
    (
      await db
        .updateTable('filesystems')
        .set({ lease_compute_id: null, lease_generation: null })
        .where(
          sql<boolean>`exists (select 1 from computes c where c.id = lease_compute_id and c.state = 'terminated' and c.terminated_at < ${before})`,
        )
        .executeTakeFirst()
    ).numUpdatedRows,
  )

const unfinished = (): ComputeProblem => ({
  code: 'Unavailable',
  message: 'nobody finished this commit; commit again',
  retryable: true,
  at: new Date().toISOString(),
})

/** A commit that died left an image nobody will ever fill. */
export const failPendingImages = async (db: Queryable, before: Date): Promise<number> =>
  Number(
    (await failPending(db, unfinished()).where('created_at', '<', before).executeTakeFirst())
      .numUpdatedRows,
  )

/** Computes that must have a workflow, at rest in their state since before `before`. */
export const livingComputes = (db: Queryable, before: Date): Promise<ComputeRow[]> =>
  db
    .selectFrom('computes')
    .selectAll()
    .where('state', '!=', 'terminated')
    .where('state_since', '<', before)
    .orderBy('state_since')
    .execute()

/** Computes whose deletion was asked for, and whose workflow does not say that it is at it. */
export const deletesNotBegun = async (db: Queryable): Promise<readonly string[]> =>
  (
    await db
      .selectFrom('computes')
      .select('id')
      .where('delete_requested', 'is not', null)
      .where('state', 'not in', ['terminating', 'terminated'])
      .execute()
  ).map(({ id }) => id)

const count = (results: readonly { readonly numDeletedRows: bigint }[]): number =>
  results.reduce((sum, { numDeletedRows }) => sum + Number(numDeletedRows), 0)
