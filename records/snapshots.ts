import type { Selectable } from 'kysely'
import { DormouseError } from '../workflows/errors.ts'
import type { Db, Queryable } from './database.ts'
import { lockFilesystem, type FilesystemRow } from './filesystems.ts'
import type { Manifest } from './manifest.ts'
import type { SnapshotsTable } from './schema.ts'

export type SnapshotRow = Selectable<SnapshotsTable>

export interface NewSnapshot {
  readonly snapshotId: string
  /** Head it was built on. */
  readonly expectedHead: string | null
  readonly epoch: number
  readonly reason: string
  readonly manifest: Manifest
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
const holdParts = async (tx: Queryable, keys: readonly string[]): Promise<void> => {
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
