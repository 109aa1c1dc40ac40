/** The one way a filesystem's head moves to what a compute saved. */
import { DormouseError } from '../workflows/errors.ts'
import { findCompute } from './computes.ts'
import type { Db, Queryable } from './database.ts'
import { appendEvent } from './events.ts'
import { insertFilesystem, lockFilesystem, type FilesystemRow } from './filesystems.ts'
import { findSnapshot, insertSnapshot, type NewSnapshot } from './snapshots.ts'
import type { Manifest } from './manifest.ts'

export interface Publication extends NewSnapshot {
  readonly filesystemId: string
  readonly actor: string
}

export type Published =
  | { readonly kind: 'published' }
  /** A later save of the same writer is the head already: it has all that this one has. */
  | { readonly kind: 'superseded'; readonly head: string }
  | { readonly kind: 'refused' }

/**
 * Moves the head by compare-and-set on head and epoch, with the snapshot, its part references and
 * the event in one transaction. Published already (lost reply): the same answer. `refused` when a
 * newer writer owns the filesystem or somebody else moved its head. An attempt of the same writer
 * that was given up and went on all the same is no stranger: of the two, what was archived later
 * becomes or stays the head. One in the trash still takes the last save of its writer, and has it when
 * it is restored. Errors: NotFound when it was deleted for good.
 */
export const publishSnapshot = (db: Db, publication: Publication): Promise<Published> =>
  db.transaction().execute(async (tx) => {
    const filesystem = await lockFilesystem(tx, publication.filesystemId)
    const existing = await findSnapshot(tx, publication.snapshotId)
    if (existing !== undefined) return PUBLISHED
    if (filesystem.purged_at !== null) throw deletedForGood(filesystem)
    if (filesystem.epoch !== publication.epoch) return { kind: 'refused' }
    if (filesystem.head_snapshot_id !== publication.expectedHead) {
      const head = await headOfSameWriter(tx, filesystem, publication.manifest)
      if (head === undefined) return { kind: 'refused' }
      if (!isLater(publication.manifest, head.manifest))
        return { kind: 'superseded', head: head.id }
    }
    await insertSnapshot(tx, filesystem, publication)
    await tx
      .updateTable('filesystems')
      .set({ head_snapshot_id: publication.snapshotId })
      .where('id', '=', filesystem.id)
      .execute()
    await tx
      .updateTable('sandboxes')
      .set({
        base_save_id: publication.manifest.parts.at(-1)?.saveId ?? null,
        last_saved_at: new Date(),
      })
      .where('compute_id', '=', publication.manifest.computeId)
      .where('generation', '=', publication.manifest.generation)
      .execute()
    await appendEvent(tx, {
      groupId: filesystem.group_id,
      computeId: publication.manifest.computeId,
      generation: publication.manifest.generation,
      type: 'snapshot.published',
      actor: publication.actor,
      data: {
        snapshotId: publication.snapshotId,
        filesystemId: filesystem.id,
        reason: publication.reason,
        entries: publication.manifest.entries,
        sizeBytes: publication.manifest.sizeBytes,
      },
    })
    return PUBLISHED
  })

const PUBLISHED: Published = { kind: 'published' }

const headOfSameWriter = async (
  tx: Queryable,
  { head_snapshot_id }: FilesystemRow,
  { computeId, generation, epoch, parts }: Manifest,
): Promise<{ id: string; manifest: Manifest } | undefined> => {
  const head = head_snapshot_id === null ? undefined : await findSnapshot(tx, head_snapshot_id)
  if (head === undefined) return undefined
  const { manifest } = head
  const same =
    manifest.computeId === computeId &&
    manifest.generation === generation &&
    manifest.epoch === epoch
  const isNumbered = [parts, manifest.parts].every((all) => all.at(-1)?.ordinal !== undefined)
  return same && isNumbered ? { id: head.id, manifest } : undefined
}

const isLater = (one: Manifest, other: Manifest): boolean =>
  (one.parts.at(-1)?.ordinal ?? 0) > (other.parts.at(-1)?.ordinal ?? 0)

const deletedForGood = ({ id }: FilesystemRow): DormouseError =>
  new DormouseError('NotFound', `filesystem ${id} was deleted for good; this save is dropped`)

/** Purged, or about to be: the delete of the compute that it was made with has put it into the trash. */
const isGoingForGood = async (
  tx: Queryable,
  { purged_at, trashed_at, implicit }: FilesystemRow,
  computeId: string,
): Promise<boolean> => {
  if (purged_at !== null) return true
  if (trashed_at === null || !implicit) return false
  const compute = await findCompute(tx, computeId)
  return compute?.delete_requested?.purge === true
}

/**
 * A refused publication kept as a filesystem of its own, named after where it came from, and told. In
 * the trash when that is there. Errors: NotFound when that was deleted for good.
 */
export const keepAsFork = (db: Db, publication: Publication): Promise<string> =>
  db.transaction().execute(async (tx) => {
    const existing = await findSnapshot(tx, publication.snapshotId)
    if (existing !== undefined) return existing.filesystem_id
    const origin = await lockFilesystem(tx, publication.filesystemId)
    if (await isGoingForGood(tx, origin, publication.manifest.computeId))
      throw deletedForGood(origin)
    const fork = await insertFilesystem(tx, {
      groupId: origin.group_id,
      ownerId: origin.owner_id,
      name: `${origin.name ?? origin.id}-refused-${publication.snapshotId.slice(0, 6)}`,
      implicit: false,
      imageDigest: origin.image_digest,
      forkedFrom: publication.expectedHead ?? origin.id,
    })
    await insertSnapshot(tx, fork, publication)
    await tx
      .updateTable('filesystems')
      .set({
        head_snapshot_id: publication.snapshotId,
        ...(origin.trashed_at === null ? {} : { trashed_at: new Date() }),
      })
      .where('id', '=', fork.id)
      .execute()
    await appendEvent(tx, {
      groupId: origin.group_id,
      computeId: publication.manifest.computeId,
      generation: publication.manifest.generation,
      type: 'snapshot.refused',
      actor: publication.actor,
      data: { filesystemId: origin.id, keptAs: fork.id, snapshotId: publication.snapshotId },
    })
    return fork.id
  })
