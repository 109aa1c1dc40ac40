import type { Db } from '../records/database.ts'
import { applyRetention, findSnapshot } from '../records/snapshots.ts'
import { newId } from '../records/ids.ts'
import {
  keepAsFork,
  publishSnapshot,
  type Publication,
  type Published,
} from '../records/publications.ts'
import { DormouseError } from '../workflows/errors.ts'
import type { Binding, Head } from './binding.ts'
import type { SaveInput, SaveOutcome } from './contract.ts'
import type { SidekickControl } from './ports.ts'
import type { TransferredPart } from './transfer.ts'

export interface PublishDeps {
  readonly db: Db
  readonly sidekick: Pick<SidekickControl, 'published'>
}

/**
 * The stored parts of one save, oldest first, become the head, on top of `before` unless the first of them
 * is a full one. A newer head of this writer stays; where another writer took over, they become a fork.
 */
export const publishSave = async (
  deps: PublishDeps,
  input: SaveInput,
  binding: Binding,
  before: Head,
  saved: readonly TransferredPart[],
): Promise<SaveOutcome> => {
  const last = saved.at(-1)
  if (last === undefined) throw new DormouseError('SaveFailed', 'nothing was saved')
  const { compute, endpoint } = binding
  const publication = publicationOf(input, binding, { ...before, saved, last })
  const published = await publishKnown(deps.db, publication)
  if (published.kind === 'superseded') return { kind: 'clean', snapshotId: published.head }
  if (published.kind === 'refused') {
    const filesystemId = await keepAsFork(deps.db, publication)
    return { kind: 'forked', filesystemId, snapshotId: publication.snapshotId }
  }
  // Both only make the next save and the store smaller: a failure here is no failure of the save.
  await deps.sidekick.published(endpoint, input, last.part.saveId).catch(() => undefined)
  await applyRetention(deps.db, compute.filesystem_id).catch(() => undefined)
  return {
    kind: 'published',
    snapshotId: publication.snapshotId,
    entries: last.summary.treeEntries,
    sizeBytes: last.summary.treeBytes,
    uploadedBytes: saved.reduce((sum, { part }) => sum + part.sizeBytes, 0),
  }
}

const publicationOf = (
  { mode, cause, generation }: SaveInput,
  { compute, epoch }: Binding,
  save: Head & {
    readonly saved: readonly TransferredPart[]
    readonly last: TransferredPart
  },
): Publication => {
  const { head, imageDigest, saved, last } = save
  const under = saved[0]?.part.kind === 'full' ? [] : (head?.manifest.parts ?? [])
  return {
    snapshotId: newId(),
    filesystemId: compute.filesystem_id,
    expectedHead: head?.id ?? null,
    epoch,
    reason: mode === 'checkpoint' ? 'checkpoint' : cause.reason,
    actor: cause.actor,
    manifest: {
      version: 1,
      format: 'tar+zstd',
      computeId: compute.id,
      generation,
      epoch,
      imageDigest,
      parts: [...under, ...saved.map(({ part }) => part)],
      entries: last.summary.treeEntries,
      sizeBytes: last.summary.treeBytes,
    },
  }
}

/** A lost reply of a commit is not a failed commit: an unknown outcome is read back first. */
const publishKnown = async (db: Db, publication: Publication): Promise<Published> => {
  try {
    return await publishSnapshot(db, publication)
  } catch (error) {
    if ((await findSnapshot(db, publication.snapshotId)) !== undefined) return { kind: 'published' }
    throw error
  }
}
