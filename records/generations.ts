/** A compute's generations: taken once, bound to one sandbox, opened, ended. */
import { sql, type Selectable } from 'kysely'
import type { Target } from '../activities/contract.ts'
import type { SidekickAddress } from '../activities/ports.ts'
import type { Cause } from '../workflows/compute/contract.ts'
import { DormouseError } from '../workflows/errors.ts'
import { lockCompute, transitionIn, type ComputeRow } from './computes.ts'
import type { Db, Queryable } from './database.ts'
import { takeLease } from './filesystems.ts'
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
  /** The generation before this one, ended or not. */
  readonly previous: SandboxRow | undefined
}

/**
 * Takes generation `generation` by compare-and-set, with the filesystem's lease and epoch and the
 * sandbox's row, in one transaction. Taken already by the same number: the same answer.
 * Errors: StaleGeneration, InvalidState (terminated), FilesystemBusy, ImageNotFound.
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
    const image = await usableImage(tx, row)
    const { epoch, headSnapshotId } = await takeLease(tx, {
      filesystemId: row.filesystem_id,
      computeId,
      generation,
    })
    if (row.generation !== generation)
      await tx.updateTable('computes').set({ generation }).where('id', '=', computeId).execute()
    const compute = await transitionIn(tx, { ...take, to: take.as })
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
      .where((on) => on.or([on('ended_at', 'is', null), on('generation', '>=', generation - 1)]))
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
      previous: sandboxes.find((one) => one.generation === generation - 1),
    }
  })

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

/** Before the claim, so that a claimed sidekick is always one the platform can find again. */
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
    .executeTakeFirstOrThrow()
  if (numUpdatedRows === 0n)
    throw new DormouseError('SandboxGone', `generation ${target.generation} was stopped`)
}

/** Users may come in: the row says so, with the moment its lifetime ends. */
export const recordOpened = (
  db: Db,
  opened: Target & {
    readonly cause: Cause
    readonly baseSaveId: string | null
    readonly detail?: Readonly<Record<string, unknown>>
  },
): Promise<void> =>
  db.transaction().execute(async (tx) => {
    const row = await transitionIn(tx, { ...opened, to: 'running' })
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
