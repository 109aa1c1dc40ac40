import type { Selectable } from 'kysely'
import type { ComputeProblem } from '../workflows/compute/contract.ts'
import { DormouseError } from '../workflows/errors.ts'
import type { Queryable } from './database.ts'
import { newId } from './ids.ts'
import type { ComputesTable, ImagesTable } from './schema.ts'

export type ImageRow = Selectable<ImagesTable>

/**
 * What `base` of an image says: `host` is the local runtime's machine, `base` the image that the
 * kubernetes runtime is configured with, anything else a registry's reference, for kubernetes too.
 */
export const defaultImage = (runtime: string): 'host' | 'base' =>
  runtime === 'local' ? 'host' : 'base'

export const runsOn = (base: string, runtime: string): boolean =>
  (base === 'host') === (runtime === 'local')

export const findImageRow = (db: Queryable, id: string): Promise<ImageRow | undefined> =>
  db
    .selectFrom('images')
    .selectAll()
    .where('id', '=', id)
    .where('state', '!=', 'deleted')
    .executeTakeFirst()

/** A row without the list that may be a few MiB. */
export type ImageSummary = Omit<ImageRow, 'packages'>

/** Images of the platform and of these groups. */
export const listImages = (db: Queryable, groupIds: readonly string[]): Promise<ImageSummary[]> =>
  db
    .selectFrom('images')
    .select([
      ...(['id', 'group_id', 'owner_id', 'name', 'state', 'base', 'digest'] as const),
      ...(['size_bytes', 'problem', 'created_by_compute', 'created_at'] as const),
    ])
    .where('state', '!=', 'deleted')
    .where((on) =>
      groupIds.length === 0
        ? on('group_id', 'is', null)
        : on.or([on('group_id', 'is', null), on('group_id', 'in', [...groupIds])]),
    )
    .orderBy('created_at', 'desc')
    .orderBy('id')
    .execute()

const nameTaken = (name: string): DormouseError =>
  new DormouseError('Invalid', `this group has an image "${name}" already`, { field: 'name' })

/** Nothing was made under it: the row of a commit that failed is there only to say why. */
const freeFailedName = async (db: Queryable, groupId: string, name: string): Promise<void> => {
  await db
    .updateTable('images')
    .set({ state: 'deleted' })
    .where('group_id', '=', groupId)
    .where('name', '=', name)
    .where('state', '=', 'failed')
    .execute()
}

/**
 * An image that a registry has; ready, because only a node that pulls it can say whether it is there.
 * Takes the place of one of that name that failed. Errors: Invalid when the group has one of that name.
 */
export const insertRegistryImage = async (
  db: Queryable,
  image: {
    readonly groupId: string
    readonly ownerId: string
    readonly name: string
    readonly reference: string
  },
): Promise<ImageRow> => {
  await freeFailedName(db, image.groupId, image.name)
  const made = await db
    .insertInto('images')
    .values({
      id: newId(),
      group_id: image.groupId,
      owner_id: image.ownerId,
      name: image.name,
      state: 'ready',
      base: image.reference,
      digest: /@(sha256:[0-9a-f]{64})$/.exec(image.reference)?.[1] ?? image.reference,
      problem: null,
      created_by_compute: null,
    })
    // To ask first would let two at once both pass.
    .onConflict((on) => on.doNothing())
    .returningAll()
    .executeTakeFirst()
  if (made === undefined) throw nameTaken(image.name)
  return made
}

/**
 * The row a commit fills: state `pending` until the worker has the layer. Takes the place of one of that
 * name that failed. Errors: Invalid when the group has an image of that name.
 */
export const insertPendingImage = async (
  db: Queryable,
  image: {
    readonly imageId: string
    readonly compute: Pick<Selectable<ComputesTable>, 'id' | 'group_id' | 'image_id'>
    readonly ownerId: string
    readonly name: string
  },
): Promise<void> => {
  const parent = await db
    .selectFrom('images')
    .select('base')
    .where('id', '=', image.compute.image_id)
    .executeTakeFirstOrThrow()
  await freeFailedName(db, image.compute.group_id, image.name)
  const made = await db
    .insertInto('images')
    .values({
      id: image.imageId,
      group_id: image.compute.group_id,
      owner_id: image.ownerId,
      name: image.name,
      state: 'pending',
      base: parent.base,
      digest: null,
      problem: null,
      created_by_compute: image.compute.id,
    })
    .onConflict((on) => on.doNothing())
    .returning('id')
    .executeTakeFirst()
  if (made === undefined) throw nameTaken(image.name)
}

/** Computes that are not terminated and start from this image. */
export const computesOfImage = async (db: Queryable, imageId: string): Promise<string[]> =>
  (
    await db
      .selectFrom('computes')
      .select('id')
      .where('image_id', '=', imageId)
      .where('state', '!=', 'terminated')
      .execute()
  ).map(({ id }) => id)

/** Nothing starts from it again; its layer goes once no reference is left. */
export const deleteImage = async (tx: Queryable, imageId: string): Promise<void> => {
  await tx.updateTable('images').set({ state: 'deleted' }).where('id', '=', imageId).execute()
  await tx
    .deleteFrom('part_references')
    .where('owner_kind', '=', 'image')
    .where('owner_id', '=', imageId)
    .execute()
}

/** Forgets a row that no commit filled. */
export const dropUnmadeImage = async (db: Queryable, imageId: string): Promise<void> => {
  await db
    .deleteFrom('images')
    .where('id', '=', imageId)
    .where('state', 'in', ['pending', 'failed'])
    .execute()
}

/** The row stays, for those who wait for the image; its name is free for the next one. */
export const failPendingImage = async (
  db: Queryable,
  imageId: string,
  problem: unknown,
): Promise<void> => {
  await failPending(db, problem).where('id', '=', imageId).execute()
}

/** Of a compute from which nothing can be committed any more. */
export const failPendingImagesOf = async (
  db: Queryable,
  computeId: string,
  problem: ComputeProblem,
): Promise<void> => {
  await failPending(db, problem).where('created_by_compute', '=', computeId).execute()
}

/** Those that the caller narrows it to. */
export const failPending = (db: Queryable, problem: unknown) =>
  db
    .updateTable('images')
    .set({ state: 'failed', problem: JSON.stringify(problem) })
    .where('state', '=', 'pending')
