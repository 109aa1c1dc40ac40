import type { Selectable } from 'kysely'
import { DormouseError } from '../workflows/errors.ts'
import type { Db, Queryable } from './database.ts'
import { newId } from './ids.ts'
import type { Manifest } from './manifest.ts'
import type { FilesystemsTable, SnapshotsTable } from './schema.ts'

export type FilesystemRow = Selectable<FilesystemsTable>
export type SnapshotRow = Selectable<SnapshotsTable>

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

export interface NewSnapshot {
  readonly snapshotId: string
  /** Head it was built on. */
  readonly expectedHead: string | null
  readonly epoch: number
  readonly reason: string
  readonly manifest: Manifest
}

/** New filesystem whose head is `snapshot`; parts are shared by reference rows. */
export const forkFilesystem = (
  db: Db,
  fork: {
    snapshotId: string
    groupId: string
    ownerId: string
    name: string | null
    implicit: boolean
  },
): Promise<FilesystemRow> =>
  db.transaction().execute(async (tx) => {
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
  })

export const insertFilesystem = (
  tx: Queryable,
  filesystem: {
    groupId: string
    ownerId: string
    name: string | null
    implicit: boolean
    imageDigest: string
    forkedFrom?: string
  },
): Promise<FilesystemRow> =>
  tx
    .insertInto('filesystems')
    .values({
      id: newId(),
      group_id: filesystem.groupId,
      owner_id: filesystem.ownerId,
      name: filesystem.name,
      implicit: filesystem.implicit,
      image_digest: filesystem.imageDigest,
      forked_from: filesystem.forkedFrom ?? null,
    })
    .returningAll()
    .executeTakeFirstOrThrow()

export const findFilesystem = (db: Queryable, id: string): Promise<FilesystemRow | undefined> =>
  db.selectFrom('filesystems').selectAll().where('id', '=', id).executeTakeFirst()

/** Until this transaction ends nobody moves it to the trash or empties it. */
export const findFilesystemInUse = (
  tx: Queryable,
  id: string,
): Promise<FilesystemRow | undefined> =>
  tx.selectFrom('filesystems').selectAll().where('id', '=', id).forShare().executeTakeFirst()

export const lockFilesystem = async (tx: Queryable, id: string): Promise<FilesystemRow> => {
  const row = await tx
    .selectFrom('filesystems')
    .selectAll()
    .where('id', '=', id)
    .forUpdate()
    .executeTakeFirst()
  if (row === undefined) throw new DormouseError('NotFound', `filesystem ${id} does not exist`)
  return row
}

export const findSnapshot = (db: Queryable, id: string): Promise<SnapshotRow | undefined> =>
  db.selectFrom('snapshots').selectAll().where('id', '=', id).executeTakeFirst()

export const listSnapshots = (db: Queryable, filesystemId: string): Promise<SnapshotRow[]> =>
  db
    .selectFrom('snapshots')
    .selectAll()
    .where('filesystem_id', '=', filesystemId)
    .orderBy('created_at', 'desc')
    .orderBy('id')
    .execute()

export const insertSnapshot = async (
  tx: Queryable,
  filesystem: FilesystemRow,
  snapshot: NewSnapshot,
): Promise<void> => {
  const { manifest } = snapshot
  await holdParts(
    tx,
    manifest.parts.map((part) => part.key),
  )
  await tx
    .insertInto('snapshots')
    .values({
      id: snapshot.snapshotId,
      filesystem_id: filesystem.id,
      group_id: filesystem.group_id,
      parent_id: snapshot.expectedHead,
      epoch: snapshot.epoch,
      generation: manifest.generation,
      reason: snapshot.reason,
      image_digest: manifest.imageDigest,
      manifest: JSON.stringify(manifest),
      entries: manifest.entries,
      size_bytes: manifest.sizeBytes,
    })
    .execute()
  await tx
    .insertInto('part_references')
    .values(
      manifest.parts.map((part, ordinal) => ({
        part_key: part.key,
        owner_kind: 'snapshot' as const,
        owner_id: snapshot.snapshotId,
        ordinal,
      })),
    )
    .execute()
}

/** Drops snapshots beyond the newest `retain_snapshots`, never the head; their parts lose the references. */
export const applyRetention = (db: Db, filesystemId: string): Promise<number> =>
  db.transaction().execute(async (tx) => {
    const filesystem = await lockFilesystem(tx, filesystemId)
    const snapshots = await listSnapshots(tx, filesystemId)
    const doomed = snapshots
      .slice(filesystem.retain_snapshots)
      .map((snapshot) => snapshot.id)
      .filter((id) => id !== filesystem.head_snapshot_id)
    if (doomed.length === 0) return 0
    await deleteSnapshotRows(tx, doomed)
    return doomed.length
  })

export const deleteSnapshotRows = async (tx: Queryable, ids: readonly string[]): Promise<void> => {
  await tx
    .deleteFrom('part_references')
    .where('owner_kind', '=', 'snapshot')
    .where('owner_id', 'in', [...ids])
    .execute()
  await tx
    .deleteFrom('snapshots')
    .where('id', 'in', [...ids])
    .execute()
}

/** Until this transaction ends none of them can be marked for deletion. Errors: SaveFailed when one was. */
export const holdParts = async (tx: Queryable, keys: readonly string[]): Promise<void> => {
  const held = await tx
    .selectFrom('parts')
    .select('key')
    .where('key', 'in', [...keys])
    .where('state', '=', 'stored')
    .forShare()
    .execute()
  const missing = keys.filter((key) => !held.some((part) => part.key === key))
  if (missing.length > 0)
    throw new DormouseError('SaveFailed', `parts are not in the store: ${missing.join(', ')}`)
}
