import { Type, type Static } from '@fastify/type-provider-typebox'
import type { FilesystemRow } from '../../records/filesystems.ts'
import type { SnapshotRow } from '../../records/snapshots.ts'
import { Nullable, Timestamp } from '../schema.ts'

export const FilesystemSchema = Type.Object({
  id: Type.String(),
  name: Nullable(Type.String()),
  group_id: Type.String(),
  owner_id: Type.String(),
  implicit: Type.Boolean({ description: 'Made with a compute, and goes to the trash with it' }),
  image_digest: Type.String(),
  head_snapshot_id: Nullable(Type.String({ description: 'null: nothing saved yet' })),
  lease_compute_id: Nullable(Type.String({ description: 'The compute that writes to it' })),
  forked_from: Nullable(Type.String()),
  created_at: Timestamp,
  trashed_at: Nullable(Timestamp),
})

export const filesystemJson = (row: FilesystemRow): Static<typeof FilesystemSchema> => ({
  id: row.id,
  name: row.name,
  group_id: row.group_id,
  owner_id: row.owner_id,
  implicit: row.implicit,
  image_digest: row.image_digest,
  head_snapshot_id: row.head_snapshot_id,
  lease_compute_id: row.lease_compute_id,
  forked_from: row.forked_from,
  created_at: row.created_at.toISOString(),
  trashed_at: row.trashed_at?.toISOString() ?? null,
})

export const SnapshotSchema = Type.Object({
  id: Type.String(),
  filesystem_id: Type.String(),
  parent_id: Nullable(Type.String()),
  reason: Type.String(),
  generation: Type.Integer(),
  image_digest: Type.String(),
  entries: Type.Integer(),
  size_bytes: Type.Integer({ description: 'Logical size of the whole tree' }),
  stored_bytes: Type.Integer({ description: 'Size of its parts in the store, compressed' }),
  parts: Type.Integer(),
  created_at: Timestamp,
})

export const snapshotJson = (row: SnapshotRow): Static<typeof SnapshotSchema> => ({
  id: row.id,
  filesystem_id: row.filesystem_id,
  parent_id: row.parent_id,
  reason: row.reason,
  generation: row.generation,
  image_digest: row.image_digest,
  entries: row.entries,
  size_bytes: Number(row.size_bytes),
  stored_bytes: row.manifest.parts.reduce((sum, part) => sum + part.sizeBytes, 0),
  parts: row.manifest.parts.length,
  created_at: row.created_at.toISOString(),
})
