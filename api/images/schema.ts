import { Type, type Static } from '@fastify/type-provider-typebox'
import type { ImageRow, ImageSummary } from '../../records/images.ts'
import { Closed, Id, Nullable, Shaped, Timestamp } from '../schema.ts'

export const ImageName = Shaped(
  '^[a-z0-9][a-z0-9._-]{0,99}$',
  '1 to 100 lower-case letters, digits, dots, dashes and underscores, a letter or digit first',
)

export const NewImage = Closed({
  name: ImageName,
  reference: Shaped(
    // host[:port]/path[:tag][@digest], as container runtimes read it
    '^(?:[a-zA-Z0-9][a-zA-Z0-9.-]*(?::[0-9]{1,5})?/)[a-z0-9]+(?:(?:[._/]|__|-+)[a-z0-9]+)*(?::[\\w][\\w.-]{0,127})?(?:@sha256:[0-9a-f]{64})?$',
    'a reference with its registry, such as docker.io/library/debian:12',
    {
      maxLength: 400,
      description: 'With the registry: docker.io/library/debian:12, better with @sha256:…',
    },
  ),
  group_id: Type.Optional(Id('Default: your personal group, or the group of the API key')),
})

export const ImageSchema = Type.Object({
  id: Type.String(),
  name: Type.String(),
  group_id: Nullable(Type.String({ description: 'null: of the platform' })),
  state: Type.Enum(['pending', 'ready', 'failed', 'deleted']),
  base: Type.String(),
  digest: Nullable(Type.String()),
  packages: Type.Optional(
    Type.Unknown({
      description: '[{ manager, name, version }], 10,000 at most; of one image, not in the listing',
    }),
  ),
  size_bytes: Type.Integer(),
  problem: Nullable(Type.Object({ code: Type.String(), message: Type.String() })),
  created_by_compute: Nullable(Type.String()),
  created_at: Timestamp,
})

export const imageJson = (row: ImageSummary | ImageRow): Static<typeof ImageSchema> => ({
  id: row.id,
  name: row.name,
  group_id: row.group_id,
  state: row.state,
  base: row.base,
  digest: row.digest,
  ...('packages' in row ? { packages: row.packages } : {}),
  size_bytes: Number(row.size_bytes),
  problem: row.problem,
  created_by_compute: row.created_by_compute,
  created_at: row.created_at.toISOString(),
})
