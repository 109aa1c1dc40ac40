import { sql } from 'kysely'
import { DormouseError } from '../workflows/errors.ts'
import type { Db, Queryable } from './database.ts'
import { appendEvent } from './events.ts'
import { lockFilesystem, type FilesystemRow } from './filesystems.ts'
import { deleteSnapshotRows, listSnapshots } from './snapshots.ts'

/** Filesystems in the trash that still hold something. */
export const listTrash = (db: Queryable, groupIds: readonly string[]): Promise<FilesystemRow[]> =>
  groupIds.length === 0
    ? Promise.resolve([])
    : db
        .selectFrom('filesystems')
        .selectAll()
        .where('group_id', 'in', [...groupIds])
        .where('trashed_at', 'is not', null)
        .where('head_snapshot_id', 'is not', null)
        .orderBy('trashed_at', 'desc')
        .execute()

/** Into the trash. Errors: FilesystemBusy while a compute writes to it, InvalidState while one sleeps on it. */
export const trashFilesystem = (db: Db, id: string, actor: string): Promise<void> =>
  db.transaction().execute(async (tx) => {
    const row = await lockFilesystem(tx, id)
    if (row.trashed_at !== null) return
    if (row.lease_compute_id !== null)
      throw new DormouseError(
        'FilesystemBusy',
        `compute ${row.lease_compute_id} writes to it; delete that one first`,
        { computeId: row.lease_compute_id },
      )
    await requireNobodyOn(tx, id)
    await setTrashed(tx, row, sql<Date>`now()`)
    await note(tx, row, 'filesystem.trashed', actor)
  })

/** Out of the trash, as it was. Errors: InvalidState when it was deleted for good. */
export const untrashFilesystem = (db: Db, id: string, actor: string): Promise<void> =>
  db.transaction().execute(async (tx) => {
    const row = await lockFilesystem(tx, id)
    if (row.trashed_at === null) return
    if (row.purged_at !== null)
      throw new DormouseError(
        'InvalidState',
        'it was deleted for good, there is nothing to restore; make a new filesystem',
      )
    await setTrashed(tx, row, null)
    await note(tx, row, 'filesystem.untrashed', actor)
  })

/**
 * For good, from the trash only. Parts lose their references and are swept a day later; the row
 * stays, empty, as long as a terminated compute names it. Errors: InvalidState when it is not in the
 * trash, or a compute stands on it all the same.
 */
export const purgeFilesystem = (db: Db, id: string, actor: string): Promise<void> =>
  db.transaction().execute(async (tx) => {
    const row = await lockFilesystem(tx, id)
    if (row.trashed_at === null)
      throw new DormouseError('InvalidState', 'only what is in the trash is deleted for good')
    await requireNobodyOn(tx, id)
    const snapshots = await listSnapshots(tx, id)
    if (snapshots.length > 0)
      await deleteSnapshotRows(
        tx,
        snapshots.map((snapshot) => snapshot.id),
      )
    await note(tx, row, 'filesystem.purged', actor)
    const named = await tx
      .selectFrom('computes')
      .select('id')
      .where('filesystem_id', '=', id)
      .limit(1)
      .executeTakeFirst()
    if (named === undefined) await tx.deleteFrom('filesystems').where('id', '=', id).execute()
    else
      await tx
        .updateTable('filesystems')
        .set({
          head_snapshot_id: null,
          // Whoever still saves to it is no writer of it any more, also to services that do not know `purged_at`.
          epoch: row.epoch + 1,
          purged_at: sql<Date>`coalesce(purged_at, now())`,
        })
        .where('id', '=', id)
        .execute()
  })

const requireNobodyOn = async (tx: Queryable, id: string): Promise<void> => {
  const users = await computesOn(tx, id)
  if (users.length > 0)
    throw new DormouseError(
      'InvalidState',
      `computes stand on it: ${users.join(', ')}; delete them first`,
      { computes: users },
    )
}

const computesOn = async (db: Queryable, filesystemId: string): Promise<string[]> =>
  (
    await db
      .selectFrom('computes')
      .select('id')
      .where('filesystem_id', '=', filesystemId)
      .where('state', '!=', 'terminated')
      .execute()
  ).map(({ id }) => id)

const setTrashed = (
  tx: Queryable,
  row: FilesystemRow,
  at: ReturnType<typeof sql<Date>> | null,
): Promise<unknown> =>
  tx.updateTable('filesystems').set({ trashed_at: at }).where('id', '=', row.id).execute()

const note = (tx: Queryable, row: FilesystemRow, type: string, actor: string): Promise<void> =>
  appendEvent(tx, {
    groupId: row.group_id,
    type,
    actor,
    data: { filesystemId: row.id, name: row.name },
  })

/** Whether a filesystem goes when this compute goes: made with it, and no other compute stands on it. */
export const endsWithCompute = async (
  db: Queryable,
  filesystem: Pick<FilesystemRow, 'id' | 'implicit'>,
  computeId: string,
): Promise<boolean> => {
  if (!filesystem.implicit) return false
  return (await computesOn(db, filesystem.id)).every((id) => id === computeId)
}
