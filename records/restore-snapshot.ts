import { DormouseError } from '../workflows/errors.ts'
import type { Db } from './database.ts'
import { appendEvent } from './events.ts'
import { lockFilesystem } from './filesystems.ts'
import { findSnapshot, insertSnapshot, type SnapshotRow } from './snapshots.ts'
import { newId } from './ids.ts'

/**
 * Moves the head to a new snapshot equal to an older one, so that history only grows; the epoch
 * rises, so that no late writer publishes over it. FilesystemBusy while a compute writes to it.
 */
export const restoreSnapshot = (
  db: Db,
  restore: { readonly filesystemId: string; readonly snapshotId: string; readonly actor: string },
): Promise<SnapshotRow> =>
  db.transaction().execute(async (tx) => {
    const filesystem = await lockFilesystem(tx, restore.filesystemId)
    if (filesystem.lease_compute_id !== null)
      throw new DormouseError(
        'FilesystemBusy',
        `compute ${filesystem.lease_compute_id} writes to it; hibernate that one first`,
        { computeId: filesystem.lease_compute_id },
      )
    const old = await findSnapshot(tx, restore.snapshotId)
    if (old === undefined || old.filesystem_id !== filesystem.id)
      throw new DormouseError('NotFound', 'this filesystem has no such snapshot', {
        field: 'snapshot_id',
      })
    const snapshotId = newId()
    const epoch = filesystem.epoch + 1
    await insertSnapshot(tx, filesystem, {
      snapshotId,
      expectedHead: filesystem.head_snapshot_id,
      epoch,
      reason: 'restore',
      manifest: old.manifest,
    })
    await tx
      .updateTable('filesystems')
      .set({ head_snapshot_id: snapshotId, epoch })
      .where('id', '=', filesystem.id)
      .execute()
    await appendEvent(tx, {
      groupId: filesystem.group_id,
      type: 'filesystem.restored',
      actor: restore.actor,
      data: { filesystemId: filesystem.id, from: old.id, snapshotId },
    })
    const made = await findSnapshot(tx, snapshotId)
    if (made === undefined) throw new Error(`snapshot ${snapshotId} was just made and is gone`)
    return made
  })
