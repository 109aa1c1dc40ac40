import { tierOf } from '../config/tiers.ts'
import { applyRetention, findSnapshot, type SnapshotRow } from '../records/filesystems.ts'
import {
  keepAsFork,
  publishSnapshot,
  type Publication,
  type Published,
} from '../records/publications.ts'
import { newId } from '../records/ids.ts'
import type { Db } from '../records/database.ts'
import type { ManifestPart } from '../records/manifest.ts'
import { DormouseError } from '../workflows/errors.ts'
import { headOf, requireBinding, type Binding } from './binding.ts'
import type { DataActivities, SaveOutcome, Target } from './contract.ts'
import type { Freeze, ObjectStore, Runtime, SidekickControl } from './ports.ts'
import { createStop } from './stop.ts'
import { transfer, type TransferredPart } from './transfer.ts'

export interface SaveDeps {
  readonly db: Db
  readonly store: ObjectStore
  readonly sidekick: SidekickControl
  readonly runtime: Pick<Runtime, 'stop'>
}

type SaveInput = Parameters<DataActivities['save']>[0]

/** A frozen delta that takes longer is given up and tried again: the compute must not hang. */
const FREEZE_LEASE_MS = 60_000
const HELLO_WITHIN_MS = 5_000
/** Longer chains, or deltas of more than half the whole, cost more at restore than a full save does now. */
const MOST_PARTS = 12
const MOST_DELTA_SHARE = 0.5
const SMALL_BYTES = 16 * 1024 * 1024

/**
 * The one save path. `checkpoint`: the live tree. `hibernate` and `final`: the live tree, then frozen
 * what changed since, verified and published in one step; the sidekick is retired. Then `hibernate`
 * stops the sandbox. Nothing is recorded as saved before the head has moved; any failure thaws.
 */
export const createSave =
  (deps: SaveDeps) =>
  async (input: SaveInput, signal: AbortSignal): Promise<SaveOutcome> => {
    const binding = await requireBinding(deps.db, input)
    if (input.mode === 'checkpoint') return saveLive(deps, input, binding, signal)
    const outcome = await saveFrozen(deps, input, binding, signal).catch((error: unknown) =>
      savedBefore(deps, binding, error),
    )
    const asleep = input.mode === 'hibernate' && isSaved(outcome)
    return asleep && (await stopped(deps, input, outcome)) ? { ...outcome, stopped: true } : outcome
  }

/** A sidekick is retired only once all is saved: then an attempt before this one was, and its answer lost. */
const savedBefore = async (
  { db, sidekick }: SaveDeps,
  { endpoint, compute }: Binding,
  error: unknown,
): Promise<SaveOutcome> => {
  if (!(error instanceof DormouseError) || error.name !== 'InvalidState') throw error
  const { state } = await sidekick.hello(endpoint.address, HELLO_WITHIN_MS)
  if (state !== 'retired') throw error
  const { head } = await headOf(db, compute.filesystem_id)
  return { kind: 'clean', snapshotId: head?.id ?? null }
}

type Saved = Extract<SaveOutcome, { kind: 'published' | 'clean' }>

const isSaved = (outcome: SaveOutcome): outcome is Saved =>
  outcome.kind === 'published' || outcome.kind === 'clean'

/** What is saved stays saved: a sandbox that cannot be stopped now is left to the workflow's own patience. */
const stopped = async (
  deps: SaveDeps,
  { computeId, generation, cause }: SaveInput,
  { kind, ...detail }: Saved,
): Promise<boolean> => {
  const to = 'hibernated'
  try {
    const stop = { computeId, generation, to, cause, keepTree: false } as const
    await createStop(deps)({ ...stop, detail: { save: kind, ...detail } })
    return true
  } catch {
    return false
  }
}

const saveLive = async (
  deps: SaveDeps,
  input: SaveInput,
  binding: Binding,
  signal: AbortSignal,
): Promise<SaveOutcome> => {
  // What was written a moment ago belongs into a checkpoint that is asked for now.
  const { dirty } = await deps.sidekick.activity(binding.endpoint, input, { fresh: true })
  const { head } = await headOf(deps.db, binding.compute.filesystem_id)
  if (!dirty && head !== undefined) return { kind: 'clean', snapshotId: head.id }
  const live = await archive(deps, input, binding, baseFor(head, binding), signal)
  return publish(deps, input, binding, head, [live])
}

const saveFrozen = async (
  deps: SaveDeps,
  input: SaveInput,
  binding: Binding,
  signal: AbortSignal,
): Promise<SaveOutcome> => {
  const { sidekick } = deps
  const { endpoint } = binding
  const { head } = await headOf(deps.db, binding.compute.filesystem_id)
  const base = baseFor(head, binding)
  const before = await sidekick.activity(endpoint, input)
  // Most of the bytes go while users still work; what is left is small and saved frozen.
  const live =
    before.dirty || head === undefined
      ? await archive(deps, input, binding, base, signal)
      : undefined
  const frozen = await sidekick.freeze(endpoint, input, {
    epoch: binding.epoch,
    leaseMs: FREEZE_LEASE_MS,
    ...(input.onlyIfIdleForMs === undefined ? {} : { onlyIfIdleForMs: input.onlyIfIdleForMs }),
  })
  if (!frozen.frozen) return { kind: 'called_off', activity: frozen.activity }
  const { freeze } = frozen
  try {
    const unchanged =
      live === undefined && !(await sidekick.activity(endpoint, input)).dirty && head !== undefined
    if (unchanged) {
      const held = await staysFrozen(deps, input, binding, freeze)
      await sidekick.retire(endpoint, input, held)
      return { kind: 'clean', snapshotId: head.id }
    }
    const rest = await archive(deps, input, binding, live?.part.saveId ?? base, signal)
    const held = await staysFrozen(deps, input, binding, freeze)
    const parts = live === undefined || rest.part.kind === 'full' ? [rest] : [live, rest]
    const outcome = await publish(deps, input, binding, head, parts)
    // Refused if the freeze ran out meanwhile. A retired sidekick never thaws: nothing is written that nobody saves.
    await sidekick.retire(endpoint, input, held)
    return outcome
  } catch (error) {
    await sidekick.thaw(endpoint, input, binding.epoch).catch(() => undefined)
    throw error
  }
}

/** A new lease, but only for a freeze that never ended: one that ran out in between let writers go on. */
const staysFrozen = async (
  deps: SaveDeps,
  input: Target,
  { endpoint, epoch }: Binding,
  freeze: Freeze,
): Promise<Freeze> => {
  const { state } = await deps.sidekick.hello(endpoint.address, HELLO_WITHIN_MS)
  const again =
    state === 'frozen' &&
    (await deps.sidekick.freeze(endpoint, input, { epoch, leaseMs: FREEZE_LEASE_MS }))
  if (again === false || !again.frozen || again.freeze.ordinal !== freeze.ordinal)
    throw new DormouseError('SaveFailed', 'the freeze ran out before the save was done')
  return again.freeze
}

/** The save a delta may stand on; null asks for a full one. */
const baseFor = (head: SnapshotRow | undefined, binding: Binding): string | null => {
  if (head === undefined || head.manifest.generation > binding.compute.generation) return null
  const { parts } = head.manifest
  const last = parts.at(-1)
  if (last === undefined || last.saveId !== binding.baseSaveId) return null
  const bytes = (kind: ManifestPart['kind']) =>
    parts.filter((part) => part.kind === kind).reduce((sum, part) => sum + part.sizeBytes, 0)
  const heavy = bytes('delta') > Math.max(SMALL_BYTES, bytes('full') * MOST_DELTA_SHARE)
  return parts.length >= MOST_PARTS || heavy ? null : last.saveId
}

const archive = async (
  deps: SaveDeps,
  input: Target,
  binding: Binding,
  baseSaveId: string | null,
  signal: AbortSignal,
): Promise<TransferredPart> => {
  const saveId = newId()
  const { compute, endpoint } = binding
  const opened = await deps.sidekick.archive(
    endpoint,
    input,
    { saveId, baseSaveId, trees: ['home', 'env'] },
    signal,
  )
  return transfer(
    deps,
    {
      saveId,
      key: `${compute.group_id}/${compute.filesystem_id}/${saveId}.tar.zst`,
      groupId: compute.group_id,
      kind: opened.kind,
      stream: opened.stream,
      summary: opened.summary,
      caps: tierOf(compute.tier),
    },
    signal,
  )
}

const publish = async (
  deps: SaveDeps,
  input: SaveInput,
  binding: Binding,
  head: SnapshotRow | undefined,
  saved: readonly TransferredPart[],
): Promise<SaveOutcome> => {
  const { compute, endpoint, epoch } = binding
  const { imageDigest } = await headOf(deps.db, compute.filesystem_id)
  const last = saved.at(-1)
  if (last === undefined) throw new DormouseError('SaveFailed', 'nothing was saved')
  const under = saved[0]?.part.kind === 'full' ? [] : (head?.manifest.parts ?? [])
  const publication: Publication = {
    snapshotId: newId(),
    filesystemId: compute.filesystem_id,
    expectedHead: head?.id ?? null,
    epoch,
    reason: input.mode === 'checkpoint' ? 'checkpoint' : input.cause.reason,
    actor: input.cause.actor,
    manifest: {
      version: 1,
      format: 'tar+zstd',
      computeId: compute.id,
      generation: input.generation,
      epoch,
      imageDigest,
      parts: [...under, ...saved.map(({ part }) => part)],
      entries: last.summary.treeEntries,
      sizeBytes: last.summary.treeBytes,
    },
  }
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

/** A lost reply of a commit is not a failed commit: an unknown outcome is read back first. */
const publishKnown = async (db: Db, publication: Publication): Promise<Published> => {
  try {
    return await publishSnapshot(db, publication)
  } catch (error) {
    if ((await findSnapshot(db, publication.snapshotId)) !== undefined) return { kind: 'published' }
    throw error
  }
}
