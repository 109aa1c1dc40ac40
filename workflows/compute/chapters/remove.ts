/** Delete, from wherever it is: try to save what no snapshot has, then leave nothing behind. */
import { record, release, save } from '../effects.ts'
import { problemOf } from '../failures.ts'
import { isToday, move, settle, settleServing, target, type Life } from '../life.ts'
import { untilDeleted } from '../wait.ts'

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
  if (memory.unsaved && memory.clock !== undefined) memory.unsaved = !(await savedInTime(life))
  const ended = { ...target(life), cause, purge, unsaved: memory.unsaved }
  await release(ended, isToday(life))
  move(life, 'released', cause)
  delete memory.clock
  settleServing(life, { ok: true })
}

const savedInTime = async (life: Life): Promise<boolean> => {
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
