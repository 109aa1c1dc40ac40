import { DormouseError } from '../workflows/errors.ts'
import { archiveTrees, type ArchiveDeps } from './archive-part.ts'
import { headOf, requireBinding, type Binding } from './binding.ts'
import type { SaveInput, SaveOutcome } from './contract.ts'
import type { Runtime, SidekickControl } from './ports.ts'
import { deltaBase } from './save-base.ts'
import { saveFrozen } from './save-frozen.ts'
import { publishSave } from './save-publish.ts'
import { createStop } from './stop.ts'

export interface SaveDeps extends ArchiveDeps {
  readonly sidekick: SidekickControl
  readonly runtime: Pick<Runtime, 'stop'>
}

const HELLO_WITHIN_MS = 5_000

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

const saveLive = async (
  deps: SaveDeps,
  input: SaveInput,
  binding: Binding,
  signal: AbortSignal,
): Promise<SaveOutcome> => {
  // What was written a moment ago belongs into a checkpoint that is asked for now.
  const { dirty } = await deps.sidekick.activity(binding.endpoint, input, { fresh: true })
  const before = await headOf(deps.db, binding.compute.filesystem_id)
  const { head } = before
  if (!dirty && head !== undefined) return { kind: 'clean', snapshotId: head.id }
  const live = await archiveTrees(deps, input, binding, deltaBase(head, binding), signal)
  return publishSave(deps, input, binding, before, [live])
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
