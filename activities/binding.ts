import type { Db } from '../records/database.ts'
import { requireCompute, type ComputeRow } from '../records/computes.ts'
import { findFilesystem } from '../records/filesystems.ts'
import { findSnapshot, type SnapshotRow } from '../records/snapshots.ts'
import { DormouseError } from '../workflows/errors.ts'
import type { Target } from './contract.ts'
import type { Endpoint } from './ports.ts'

/** A generation that is the current one, and the claimed sidekick that answers for it. */
export interface Binding {
  readonly compute: ComputeRow
  readonly endpoint: Endpoint
  readonly epoch: number
  /** Save that the sidekick's published index is named after, as the platform last knew. */
  readonly baseSaveId: string | null
}

/** Errors: StaleGeneration for an older generation, SandboxGone when none was ever claimed. */
export const requireBinding = async (db: Db, target: Target): Promise<Binding> => {
  const compute = await requireCompute(db, target.computeId)
  if (compute.generation !== target.generation)
    throw new DormouseError(
      'StaleGeneration',
      `compute ${compute.id} is at generation ${compute.generation}, not ${target.generation}`,
    )
  const sandbox = await db
    .selectFrom('sandboxes')
    .selectAll()
    .where('compute_id', '=', target.computeId)
    .where('generation', '=', target.generation)
    .executeTakeFirst()
  if (sandbox === undefined || sandbox.address === null || sandbox.fingerprint === null)
    throw new DormouseError('SandboxGone', `generation ${target.generation} has no sandbox`)
  if (sandbox.ended_at !== null)
    throw new DormouseError('SandboxGone', `generation ${target.generation} was stopped`)
  return {
    compute,
    endpoint: { address: sandbox.address, fingerprint: sandbox.fingerprint },
    epoch: sandbox.epoch,
    baseSaveId: sandbox.base_save_id,
  }
}

/** What a filesystem was made from, for good, and its last save. */
export interface Head {
  readonly imageDigest: string
  readonly head: SnapshotRow | undefined
}

export const headOf = async (db: Db, filesystemId: string): Promise<Head> => {
  const filesystem = await findFilesystem(db, filesystemId)
  if (filesystem === undefined)
    throw new DormouseError('NotFound', `filesystem ${filesystemId} does not exist`)
  const head =
    filesystem.head_snapshot_id === null
      ? undefined
      : await findSnapshot(db, filesystem.head_snapshot_id)
  return { imageDigest: filesystem.image_digest, head }
}
