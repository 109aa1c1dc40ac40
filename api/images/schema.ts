import { Type, type Static } from '@fastify/type-provider-typebox'
import type { ImageRow } from '../../records/images.ts'
import { Nullable, Timestamp } from '../schema.ts'

export const ImageSchema = Type.Object({
  id: Type.String(),
  name: Type.String(),
  group_id: Nullable(Type.String({ description: 'null: of the platform' })),
  state: Type.Enum(['pending', 'ready', 'failed', 'deleted']),
  base: Type.String(),
  digest: Nullable(Type.String()),
  packages: Type.Unknown(),
  size_bytes: Type.Integer(),
  problem: Nullable(Type.Object({ code: Type.String(), message: Type.String() })),
  created_by_compute: Nullable(Type.String()),
  created_at: Timestamp,
})

export const imageJson = (row: ImageRow): Static<typeof ImageSchema> => ({
  id: row.id,
  name: row.name,
  group_id: row.group_id,
  state: row.state,
  base: row.base,
  digest: row.digest,
  packages: row.packages,
  size_bytes: Number(row.size_bytes),
  problem: row.problem,
  created_by_compute: row.created_by_compute,
  created_at: row.created_at.toISOString(),
})
