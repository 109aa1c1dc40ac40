/** Who writes to a filesystem: one compute's generation at a time. */
import { DormouseError } from '../workflows/errors.ts'
import type { Queryable } from './database.ts'
import { lockFilesystem } from './filesystems.ts'

/**
 * Takes the writer's lease for a compute's generation and raises the epoch; the same taker again
 * gets the same epoch. FilesystemBusy when another compute holds it.
 */
export const takeLease = async (
  tx: Queryable,
  take: { filesystemId: string; computeId: string; generation: number },
): Promise<{ epoch: number; headSnapshotId: string | null }> => {
  const row = await lockFilesystem(tx, take.filesystemId)
  if (row.lease_compute_id !== null && row.lease_compute_id !== take.computeId)
    throw new DormouseError(
      'FilesystemBusy',
      `filesystem ${row.id} is written by compute ${row.lease_compute_id}; hibernate that one, or fork the filesystem`,
    )
  if (row.lease_compute_id === take.computeId && row.lease_generation === take.generation)
    return { epoch: row.epoch, headSnapshotId: row.head_snapshot_id }
  if (row.lease_generation !== null && row.lease_generation > take.generation)
    throw new DormouseError('StaleGeneration', `generation ${row.lease_generation} holds the lease`)
  const epoch = row.epoch + 1
  await tx
    .updateTable('filesystems')
    .set({ epoch, lease_compute_id: take.computeId, lease_generation: take.generation })
    .where('id', '=', row.id)
    .execute()
  return { epoch, headSnapshotId: row.head_snapshot_id }
}

/** Gives the lease back; a lease taken since by a newer generation stays. */
export const releaseLease = async (
  tx: Queryable,
  lease: { filesystemId: string; computeId: string; generation: number },
): Promise<void> => {
  await tx
    .updateTable('filesystems')
    .set({ lease_compute_id: null, lease_generation: null })
    .where('id', '=', lease.filesystemId)
    .where('lease_compute_id', '=', lease.computeId)
    .where('lease_generation', '<=', lease.generation)
    .execute()
}
