import { DormouseError } from '../workflows/errors.ts'
import type { Queryable } from './database.ts'
import { insertFilesystem, lockFilesystem, type FilesystemRow } from './filesystems.ts'
import { newId } from './ids.ts'
import { findSnapshot, insertSnapshot } from './snapshots.ts'

/** New filesystem whose head is a snapshot of another one; parts are shared by reference rows. */
export const forkFilesystem = async (
  tx: Queryable,
  fork: {
    snapshotId: string
    groupId: string
    ownerId: string
    name: string | null
    implicit: boolean
  },
): Promise<FilesystemRow> => {
  // The origin's lock keeps retention from dropping the snapshot while its parts gain references.
  const snapshot = await findSnapshot(tx, fork.snapshotId)
  if (snapshot === undefined)
    throw new DormouseError('NotFound', `snapshot ${fork.snapshotId} does not exist`)
  await lockFilesystem(tx, snapshot.filesystem_id)
  const still = await findSnapshot(tx, fork.snapshotId)
  if (still === undefined)
    throw new DormouseError('NotFound', `snapshot ${fork.snapshotId} is gone`)
  const filesystem = await insertFilesystem(tx, {
    groupId: fork.groupId,
    ownerId: fork.ownerId,
    name: fork.name,
    implicit: fork.implicit,
    imageDigest: still.image_digest,
    forkedFrom: still.id,
  })
  const snapshotId = newId()
  await insertSnapshot(tx, filesystem, {
    snapshotId,
    expectedHead: still.id,
    epoch: 0,
    reason: 'fork',
    manifest: still.manifest,
  })
  return tx
    .updateTable('filesystems')
    .set({ head_snapshot_id: snapshotId })
    .where('id', '=', filesystem.id)
    .returningAll()
    .executeTakeFirstOrThrow()
}
