import type { Db } from '../records/database.ts'
import { appendEvent } from '../records/events.ts'
import { DormouseError } from '../workflows/errors.ts'
import { archivePart, type ArchiveDeps } from './archive-part.ts'
import { requireBinding } from './binding.ts'
import { createPackageReader, type InstalledPackage } from './installed-packages.ts'
import type { DataActivities } from './contract.ts'

type CommitInput = Parameters<DataActivities['commitImage']>[0]

/**
 * Saves /opt/env as the layer of the pending image; committed already: the same digest again. Errors:
 * ImageNotFound when it was deleted or given up, also while it was committed.
 */
export const createCommitImage =
  (deps: ArchiveDeps) =>
  async (input: CommitInput, signal: AbortSignal): Promise<{ digest: string }> => {
    const binding = await requireBinding(deps.db, input)
    const image = await deps.db
      .selectFrom('images')
      .selectAll()
      .where('id', '=', input.imageId)
      .executeTakeFirst()
    if (image === undefined || isGivenUp(image)) throw givenUpError(input)
    if (image.state === 'ready' && image.digest !== null) return { digest: image.digest }
    const packages = createPackageReader()
    const folder = `images/${input.imageId}`
    const { part, summary } = await archivePart(
      deps,
      input,
      binding,
      { trees: ['env'], baseSaveId: null, folder, packages },
      signal,
    )
    const digest = `sha256:${part.sha256}`
    return finish(deps.db, input, {
      groupId: binding.compute.group_id,
      partKey: part.key,
      digest,
      sizeBytes: summary.treeBytes,
      packages: packages.list(),
    })
  }

const isGivenUp = ({ state }: { readonly state: string }): boolean =>
  state === 'deleted' || state === 'failed'

const givenUpError = ({ imageId }: CommitInput): DormouseError =>
  new DormouseError('ImageNotFound', `image ${imageId} does not exist, was deleted or given up`)

/** Row and reference in one step; of two attempts the first to get here decides the digest. */
const finish = (
  db: Db,
  input: CommitInput,
  layer: {
    readonly groupId: string
    readonly partKey: string
    readonly digest: string
    readonly sizeBytes: number
    readonly packages: readonly InstalledPackage[]
  },
): Promise<{ digest: string }> =>
  db.transaction().execute(async (tx) => {
    const { groupId, partKey, digest, sizeBytes, packages } = layer
    const image = await tx
      .selectFrom('images')
      .selectAll()
      .where('id', '=', input.imageId)
      .forUpdate()
      .executeTakeFirst()
    if (image === undefined || isGivenUp(image)) throw givenUpError(input)
    if (image.state === 'ready' && image.digest !== null) return { digest: image.digest }
    await tx
      .updateTable('images')
      .set({
        state: 'ready',
        digest,
        size_bytes: String(sizeBytes),
        packages: JSON.stringify(packages),
      })
      .where('id', '=', input.imageId)
      .execute()
    await tx
      .insertInto('part_references')
      .values({ part_key: partKey, owner_kind: 'image', owner_id: input.imageId, ordinal: 0 })
      .execute()
    await appendEvent(tx, {
      groupId,
      computeId: input.computeId,
      generation: input.generation,
      type: 'image.committed',
      actor: input.cause.actor,
      data: { imageId: input.imageId, name: image.name, digest, sizeBytes },
    })
    return { digest }
  })
