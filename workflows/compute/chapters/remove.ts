/** Delete, from wherever it is: try to save what no snapshot has, then leave nothing behind. */
import { sleep, TemporalFailure } from '@temporalio/workflow'
import { record, release, save } from '../effects.ts'
import { problemOf } from '../failures.ts'
import { follows, move, settle, settleServing, target, type Life } from '../life.ts'
import { failureBackOff } from '../timers.ts'
import { until, untilDeleted } from '../wait.ts'

/** The first new try of a save comes soon, then after 2, 4 and 8 s. */
const FIRST_RETRY_MS = 1_000

/** Leaves whatever chapter there was for the last one. */
export const turnToDelete = (life: Life): void => {
  const index = life.queue.findIndex(({ wish }) => wish.kind === 'delete')
  const entry = life.queue.splice(index, index < 0 ? 0 : 1)[0]
  if (entry === undefined) return
  settleServing(life, GONE)
  life.serving = entry
  if (life.memory.state !== 'terminating') move(life, 'delete', entry.wish.cause)
}

export const remove = async (life: Life): Promise<void> => {
  const { memory } = life
  const wish = life.serving?.wish
  const { cause } = memory
  const purge = wish?.kind === 'delete' && wish.purge
  for (const entry of life.queue.splice(0)) settle(life, entry, GONE)
  const recorded = await record({ ...target(life), to: 'terminating', cause })
  // Earlier workers answer nothing.
  if (recorded?.disposable) memory.unsaved = false
  if (memory.unsaved && memory.clock !== undefined)
    memory.unsaved = !(await (follows(life, 3) ? savedInTime(life) : savedAtOnce(life)))
  const ended = { ...target(life), cause, purge, unsaved: memory.unsaved }
  await release(ended, follows(life, 2))
  move(life, 'released', cause)
  delete memory.clock
  settleServing(life, { ok: true })
}

/** The bound runs from here: whatever came before, there is time for one try. */
const savedInTime = async (life: Life): Promise<boolean> => {
  life.saveByMs ??= Date.now() + life.input.timings.deleteSaveForMs
  const saved = await until(life.saveByMs, () => savedAtLast(life), 'a delete tries to save')
  return saved === true
}

/** Tries until it is saved, or cancelled; false when trying again is of no use. */
const savedAtLast = async (life: Life): Promise<boolean> => {
  const firstMs = Math.min(life.input.timings.backOffMs, FIRST_RETRY_MS)
  for (let attempt = 1; ; attempt += 1) {
    try {
      await save({ ...target(life), mode: 'final', cause: life.memory.cause })
      return true
    } catch (error) {
      if (!(error instanceof TemporalFailure)) throw error
      const { code } = problemOf(error, 'SaveFailed')
      // A newer generation is not ours to delete; a sandbox that is gone has nothing left to save.
      if (code === 'StaleGeneration') throw error
      if (code === 'SandboxGone' || code === 'FilesystemTooLarge') return false
    }
    await sleep(failureBackOff(attempt, firstMs), { summary: 'try again to save' })
  }
}

/** One try, within what is left of the bound: plots before 3. */
const savedAtOnce = async (life: Life): Promise<boolean> => {
  if ((life.deleteByMs ?? 0) <= Date.now()) return false
  try {
    const { cause } = life.memory
    await untilDeleted(life, () => save({ ...target(life), mode: 'final', cause }))
    return true
  } catch (error) {
    // A newer generation is not ours to delete; a sandbox that is gone has nothing left to save.
    if (problemOf(error, 'SaveFailed').code === 'StaleGeneration') throw error
    return false
  }
}

const GONE = {
  ok: false,
  code: 'InvalidState',
  message: 'The compute is being deleted; create another one.',
} as const
