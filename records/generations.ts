/** A compute's generations: taken once, bound to one sandbox, opened, ended. */
import { sql, type Selectable } from 'kysely'
import type { Target } from '../activities/contract.ts'
import type { SidekickAddress } from '../activities/ports.ts'
import type { Cause, ComputeState } from '../workflows/compute/contract.ts'
import { DormouseError } from '../workflows/errors.ts'
import { lockCompute, transitionIn, transitionOf, type ComputeRow } from './computes.ts'
import type { Db, Queryable } from './database.ts'
import { takeLease } from './leases.ts'
import { newId } from './ids.ts'
import type { ImagesTable, SandboxesTable } from './schema.ts'

export type SandboxRow = Selectable<SandboxesTable>

export interface TakenGeneration {
  readonly compute: ComputeRow
  readonly image: Selectable<ImagesTable> & { readonly hasLayer: boolean }
  readonly sandbox: SandboxRow
  readonly headSnapshotId: string | null
  /** Older generations whose sandboxes were never recorded as ended. */
  readonly unended: readonly SandboxRow[]
}

/**
 * Takes generation `generation` by compare-and-set, with the filesystem's lease and epoch and the
 * sandbox's row, in one transaction. Taken already by the same number: the same answer, and a row that
 * is further by now stays so. Errors: StaleGeneration, InvalidState (it is or was deleted, sleeps, or
 * goes to sleep), SandboxGone, FilesystemBusy, ImageNotFound.
 */
export const takeGeneration = (
  db: Db,
  take: Target & { readonly as: 'provisioning' | 'waking'; readonly cause: Cause },
): Promise<TakenGeneration> =>
  db.transaction().execute(async (tx) => {
    const { computeId, generation } = take
    const row = await lockCompute(tx, computeId)
    if (row.state === 'terminated')
      throw new DormouseError('InvalidState', `compute ${computeId} was deleted`)
    if (row.generation !== generation && row.generation !== generation - 1)
      throw new DormouseError(
        'StaleGeneration',
        `compute ${computeId} is at generation ${row.generation}, ${generation} cannot follow`,
        { generation: row.generation },
      )
    const again = row.generation === generation
    if (again && !STARTS.includes(row.state))
      throw new DormouseError(
        'InvalidState',
        `generation ${generation} of compute ${computeId} is ${row.state}; it was started long ago`,
        { state: row.state },
      )
    const image = await usableImage(tx, row)
    const { epoch, headSnapshotId } = await takeLease(tx, {
      filesystemId: row.filesystem_id,
      computeId,
      generation,
    })
    if (!again)
      await tx.updateTable('computes').set({ generation }).where('id', '=', computeId).execute()
    const isFurther = again && (row.state === 'restoring' || row.state === 'running')
    const compute = isFurther
      ? row
      : await transitionOf(tx, { ...row, generation }, { ...take, to: take.as })
    await tx
      .insertInto('sandboxes')
      .values({
        compute_id: computeId,
        generation,
        group_id: row.group_id,
        epoch,
        claim_id: newId(),
        address: null,
      })
      .onConflict((conflict) => conflict.columns(['compute_id', 'generation']).doNothing())
      .execute()
    const sandboxes = await tx
      .selectFrom('sandboxes')
      .selectAll()
      .where('compute_id', '=', computeId)
      .where((on) => on.or([on('ended_at', 'is', null), on('generation', '=', generation)]))
      .orderBy('generation')
      .execute()
    const sandbox = sandboxes.find((one) => one.generation === generation)
    if (sandbox === undefined) throw new Error('the row that was just written is not there')
    if (sandbox.ended_at !== null)
      throw new DormouseError('SandboxGone', `generation ${generation} was stopped`)
    return {
      compute,
      image,
      sandbox,
      headSnapshotId,
      unended: sandboxes.filter((one) => one.generation < generation && one.ended_at === null),
    }
  })

/** The newest generation before this one that came up, ended or not: what a kept tree is of. */
export const findLastUp = (
  db: Queryable,
  { computeId, generation }: Target,
): Promise<SandboxRow | undefined> =>
  db
    .selectFrom('sandboxes')
    .selectAll()
    .where('compute_id', '=', computeId)
    .where('generation', '<', generation)
    .where('boot_id', 'is not', null)
    .orderBy('generation', 'desc')
    .limit(1)
    .executeTakeFirst()

/** From its start to its opening: where an attempt at a generation may find it. */
const STARTS: readonly ComputeState[] = ['provisioning', 'waking', 'restoring', 'running']

const usableImage = async (tx: Queryable, row: ComputeRow): Promise<TakenGeneration['image']> => {
  const image = await tx
    .selectFrom('images')
    .selectAll('images')
    .select(
      sql<boolean>`exists (select 1 from part_references r where r.owner_kind = 'image' and r.owner_id = images.id)`.as(
        'hasLayer',
      ),
    )
    .where('id', '=', row.image_id)
    .executeTakeFirst()
  // A deleted image still starts the computes that were made from it while its layer is there.
  if (image === undefined || image.state === 'pending' || image.state === 'failed')
    throw new DormouseError('ImageNotFound', `image ${row.image_id} cannot be started from`)
  return image
}

/**
 * Before the claim, so that a claimed sidekick is always one the platform can find again. Errors:
 * SandboxGone when the generation ended, or when users were in a sandbox of it that is not this one.
 */
export const recordEndpoint = async (
  db: Queryable,
  target: Target,
  endpoint: {
    readonly address: SidekickAddress
    readonly fingerprint: string
    readonly bootId: string
    readonly limits: string
    readonly epoch: number
  },
): Promise<void> => {
  const { numUpdatedRows } = await ofGeneration(db, target)
    .set({
      address: JSON.stringify(endpoint.address),
      fingerprint: endpoint.fingerprint,
      boot_id: endpoint.bootId,
      limits: endpoint.limits,
      epoch: endpoint.epoch,
    })
    .where('ended_at', 'is', null)
    .where((on) => on.or([on('opened_at', 'is', null), on('boot_id', '=', endpoint.bootId)]))
    .executeTakeFirstOrThrow()
  if (numUpdatedRows === 0n)
    throw new DormouseError('SandboxGone', `the sandbox of generation ${target.generation} is gone`)
}

/** Its sandbox is there, its tree is not yet. Errors: SandboxGone, and those of `transition`. */
export const recordRestoring = (
  db: Db,
  restoring: Target & { readonly cause: Cause },
): Promise<void> =>
  db.transaction().execute(async (tx) => {
    await transitionIn(tx, { ...restoring, to: 'restoring' })
    await requireNotEnded(tx, restoring)
  })

/**
 * Users may come in: the row says so, with the moment its lifetime ends. Said before: nothing more.
 * Errors: InvalidState when the row went on since, SandboxGone, and those of `transition`.
 */
export const recordOpened = (
  db: Db,
  opened: Target & {
    readonly cause: Cause
    readonly baseSaveId: string | null
    readonly detail?: Readonly<Record<string, unknown>>
  },
): Promise<void> =>
  db.transaction().execute(async (tx) => {
    const before = await lockCompute(tx, opened.computeId)
    const isOurs = before.generation === opened.generation
    if (isOurs && !STARTS.includes(before.state))
      throw new DormouseError(
        'InvalidState',
        `compute ${before.id} is ${before.state}; it was opened long ago`,
        { state: before.state },
      )
    const sandbox = isOurs ? await requireNotEnded(tx, opened) : undefined
    if (before.state === 'running' && sandbox?.opened_at) return
    const row = await transitionOf(tx, before, { ...opened, to: 'running' })
    await ofGeneration(tx, opened)
      .set({ opened_at: sql`coalesce(opened_at, now())`, base_save_id: opened.baseSaveId })
      .execute()
    const lifetimeMs = Number(row.max_lifetime_ms)
    await tx
      .updateTable('computes')
      .set({ lifetime_ends_at: lifetimeMs === 0 ? null : new Date(Date.now() + lifetimeMs) })
      .where('id', '=', row.id)
      .execute()
  })

/** Its sandbox is gone: this generation and every older one takes no traffic and no bytes any more. */
export const recordEnded = async (tx: Queryable, target: Target): Promise<void> => {
  await tx
    .updateTable('sandboxes')
    .set({ ended_at: new Date() })
    .where('compute_id', '=', target.computeId)
    .where('generation', '<=', target.generation)
    .where('ended_at', 'is', null)
    .execute()
}

const requireNotEnded = async (tx: Queryable, target: Target): Promise<SandboxRow | undefined> => {
  const sandbox = await findSandbox(tx, target)
  if (sandbox?.ended_at)
    throw new DormouseError('SandboxGone', `generation ${target.generation} was stopped`)
  return sandbox
}

export const findSandbox = (db: Queryable, target: Target): Promise<SandboxRow | undefined> =>
  db
    .selectFrom('sandboxes')
    .selectAll()
    .where('compute_id', '=', target.computeId)
    .where('generation', '=', target.generation)
    .executeTakeFirst()

const ofGeneration = (db: Queryable, target: Target) =>
  db
    .updateTable('sandboxes')
    .where('compute_id', '=', target.computeId)
    .where('generation', '=', target.generation)
