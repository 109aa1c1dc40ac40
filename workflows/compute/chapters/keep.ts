/** Saves and commits of a compute that goes on running. */
import type { ComputeProblem, Wish } from '../contract.ts'
import { commitImage, note, record, save } from '../effects.ts'
import { mustRecall, problemOf } from '../failures.ts'
import { follows, settleServing, target, type Life } from '../life.ts'
import type { Entry } from '../queue.ts'
import { failureBackOff } from '../timers.ts'
import { untilDeleted } from '../wait.ts'
import { isFailureName } from '../../errors.ts'

const TIMER = { reason: 'user', actor: 'system:checkpoint-timer' } as const

export const checkpoint = async (life: Life, entry?: Entry): Promise<void> => {
  const { memory, input } = life
  const cause = entry?.wish.cause ?? TIMER
  life.serving = entry
  const startedAt = new Date().toISOString()
  try {
    const outcome = await untilDeleted(life, () =>
      save({ ...target(life), mode: 'checkpoint', cause }),
    )
    if (outcome.kind === 'forked') return fencedOff(life)
    memory.lastCheckpointAt = startedAt
    memory.saveFailures = 0
    nextCheckpoint(life, input.timings.checkpointEveryMs)
    const snapshotId = outcome.kind === 'called_off' ? null : outcome.snapshotId
    settleServing(
      life,
      snapshotId === null
        ? { ok: false, code: 'InvalidState', message: 'there is nothing to save yet' }
        : { ok: true, value: { snapshotId } },
    )
    if (memory.problem === undefined) return
    delete memory.problem
    await record({ ...target(life), to: 'running', cause: memory.cause })
  } catch (error) {
    if (mustRecall(error)) throw error
    if (life.deleteByMs !== undefined) return
    const problem = problemOf(error, 'SaveFailed')
    memory.saveFailures += 1
    memory.problem = problem
    const waitMs = failureBackOff(memory.saveFailures, input.timings.backOffMs)
    nextCheckpoint(life, Math.min(waitMs, input.timings.checkpointEveryMs || waitMs))
    settleServing(life, {
      ok: false,
      code: 'SaveFailed',
      message: problem.message,
      details: { problem },
    })
    await note({ ...target(life), type: 'save_failed', cause, detail: { problem } })
  }
}

export const commit = async (
  life: Life,
  entry: Entry,
  wish: Extract<Wish, { kind: 'commit' }>,
): Promise<void> => {
  const { imageId, cause } = wish
  life.serving = entry
  try {
    const { digest } = await untilDeleted(
      life,
      () => commitImage({ ...target(life), imageId, cause }),
      follows(life, 3) ? 0 : undefined,
    )
    settleServing(life, { ok: true, value: { imageId, digest } })
  } catch (error) {
    if (mustRecall(error)) throw error
    if (follows(life, 3) && life.deleteByMs !== undefined) return
    const problem = problemOf(error, 'Unavailable')
    settleServing(life, {
      ok: false,
      code: isFailureName(problem.code) ? problem.code : 'Unavailable',
      message: problem.message,
    })
    if (follows(life, 4)) await tellCommitFailed(life, wish, problem)
  }
}

/** An event, and the image's own problem: who did not wait for the answer looks there. */
export const tellCommitFailed = (
  life: Life,
  { imageId, cause }: Extract<Wish, { kind: 'commit' }>,
  problem: ComputeProblem,
): Promise<void> =>
  note({ ...target(life), type: 'commit_failed', cause, detail: { imageId, problem } })

const nextCheckpoint = (life: Life, afterMs: number): void => {
  const { memory, input } = life
  if (memory.clock !== undefined && input.timings.checkpointEveryMs > 0)
    memory.clock = { ...memory.clock, checkpointAtMs: Date.now() + afterMs }
}

/** Another writer owns the filesystem: it can never save here again, so it keeps its fork and goes to sleep. */
const fencedOff = (life: Life): void => {
  settleServing(life, {
    ok: false,
    code: 'StaleEpoch',
    message: 'another compute writes to this filesystem; what this one has is kept as a fork',
  })
  const { memory, input } = life
  if (follows(life, 3)) {
    // Each further one is a whole upload and a fork of its own.
    memory.saveFailures += 1
    const waitMs = failureBackOff(memory.saveFailures, input.timings.backOffMs)
    nextCheckpoint(life, Math.max(waitMs, input.timings.checkpointEveryMs))
    if (memory.clock?.retry !== undefined) return
  }
  const cause = { reason: 'save_failed', actor: 'system:workflow' } as const
  life.queue.push({ wish: { kind: 'hibernate', cause, automatic: false }, tickets: [] })
}
