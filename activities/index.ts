import { createAnnounce, createProbe } from './probe.ts'
import { createCommitImage } from './commit-image.ts'
import type { ControlActivities, DataActivities, Target } from './contract.ts'
import type { ControlDeps } from './control-deps.ts'
import { endWithSandbox, namingTheEnd } from './end-with-sandbox.ts'
import type { Runtime } from './ports.ts'
import { createProvision } from './provision.ts'
import { createRecall } from './recall.ts'
import { createNote, createRecord } from './record.ts'
import { createRelease } from './release.ts'
import { createRestore, type RestoreDeps } from './restore.ts'
import { createSave, type SaveDeps } from './save.ts'
import { createApplySchedule, createConvergeToSchedule } from './schedule.ts'
import { createStop } from './stop.ts'
import { createSweep } from './sweep.ts'

export const createControlActivities = (deps: ControlDeps): ControlActivities => ({
  provision: createProvision(deps),
  stop: createStop(deps),
  record: createRecord(deps),
  note: createNote(deps),
  probe: createProbe(deps),
  announce: createAnnounce(deps),
  recall: createRecall(deps),
  release: createRelease(deps),
  applySchedule: createApplySchedule(deps),
  convergeToSchedule: createConvergeToSchedule(deps),
  sweep: createSweep(deps),
})

export interface DataDeps extends RestoreDeps {
  readonly runtime: RestoreDeps['runtime'] & SaveDeps['runtime'] & Pick<Runtime, 'inspect'>
  /** The signal that ends the activity this is called from. */
  readonly cancellation: () => AbortSignal
}

export const createDataActivities = (given: DataDeps): DataActivities => {
  const deps = { ...given, sidekick: endWithSandbox(given.sidekick, given.runtime) }
  const ending =
    <I extends Target, O>(work: (input: I) => Promise<O>) =>
    (input: I): Promise<O> =>
      namingTheEnd(deps.runtime, input, () => work(input))
  const save = createSave(deps)
  const restore = createRestore(deps)
  const commitImage = createCommitImage(deps)
  return {
    save: ending((input) => save(input, deps.cancellation())),
    restore: ending((input) => restore(input, deps.cancellation())),
    commitImage: ending((input) => commitImage(input, deps.cancellation())),
  }
}
