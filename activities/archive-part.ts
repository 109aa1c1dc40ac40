import { tierOf } from '../config/tiers.ts'
import type { Db } from '../records/database.ts'
import { newId } from '../records/ids.ts'
import type { ArchiveRequest } from '../sidekick/protocol.ts'
import type { Binding } from './binding.ts'
import type { Target } from './contract.ts'
import type { PackageReader } from './installed-packages.ts'
import type { ObjectStore, SidekickControl } from './ports.ts'
import { transfer, type TransferredPart } from './transfer.ts'

export interface ArchiveDeps {
  readonly db: Db
  readonly store: ObjectStore
  readonly sidekick: Pick<SidekickControl, 'archive'>
}

/** Trees of a compute as one verified part in the store. Errors: those of the sidekick and of `transfer`. */
export const archivePart = async (
  deps: ArchiveDeps,
  target: Target,
  { compute, endpoint }: Binding,
  wanted: {
    readonly trees: ArchiveRequest['trees']
    /** The save it is a delta to, if the sidekick still knows it; null: all of the trees. */
    readonly baseSaveId: string | null
    /** Where in the group's keys it lies: what it is a part of. */
    readonly folder: string
    readonly packages?: PackageReader
  },
  signal: AbortSignal,
): Promise<TransferredPart> => {
  const { folder, packages, ...request } = wanted
  const saveId = newId()
  const opened = await deps.sidekick.archive(endpoint, target, { saveId, ...request }, signal)
  return transfer(
    deps,
    {
      saveId,
      key: `${compute.group_id}/${folder}/${saveId}.tar.zst`,
      groupId: compute.group_id,
      kind: opened.kind,
      stream: opened.stream,
      summary: opened.summary,
      caps: tierOf(compute.tier),
      ...(packages === undefined ? {} : { packages }),
    },
    signal,
  )
}

/** What a save keeps of a filesystem. */
export const archiveTrees = (
  deps: ArchiveDeps,
  target: Target,
  binding: Binding,
  baseSaveId: string | null,
  signal: AbortSignal,
): Promise<TransferredPart> =>
  archivePart(
    deps,
    target,
    binding,
    { trees: ['home', 'env'], baseSaveId, folder: binding.compute.filesystem_id },
    signal,
  )
