/**
 * One compute's whole life. Workflow id `compute-<computeId>`; contract.ts is its language,
 * lifecycle.ts its rules. A run ends by continue-as-new after each hibernation, or when nothing of
 * the compute is left.
 */
import {
  allHandlersFinished,
  CancellationScope,
  condition,
  TemporalFailure,
} from '@temporalio/workflow'
import { bringUp } from './chapters/bring-up.ts'
import { recover } from './chapters/recover.ts'
import { remove, turnToDelete } from './chapters/remove.ts'
import { refuseAll, rest } from './chapters/rest.ts'
import { run } from './chapters/run.ts'
import { hearCancel, listen } from './commands.ts'
import type { ComputeInput } from './contract.ts'
import { showDetails, showSearchable } from './display.ts'
import { mustRecall, problemOf, failure } from './failures.ts'
import { begin, settle, type Life } from './life.ts'
import { isFailureName } from '../errors.ts'

export async function compute(input: ComputeInput): Promise<void> {
  const life = begin(input)
  listen(life)
  hearCancel(life)
  await CancellationScope.nonCancellable(() => live(life))
}

const live = async (life: Life): Promise<void> => {
  while (life.memory.state !== 'terminated') {
    try {
      await nextChapter(life)
    } catch (error) {
      // A bug fails the workflow task and waits for a deploy; continue-as-new is no error at all.
      if (!(error instanceof TemporalFailure)) throw error
      if (!mustRecall(error)) return endInFailure(life, error)
      life.lookAgain = true
    }
  }
  showSearchable(life)
  refuseAll(life)
  await condition(allHandlersFinished)
}

const nextChapter = async (life: Life): Promise<void> => {
  if (!life.known || life.lookAgain) return recover(life)
  if (life.deleteByMs !== undefined && life.serving?.wish.kind !== 'delete') turnToDelete(life)
  showDetails(life)
  switch (life.memory.state) {
    case 'requested':
    case 'provisioning':
    case 'restoring':
    case 'waking':
      return bringUp(life)
    case 'running':
      return run(life)
    case 'hibernating':
      // Only a delete leaves a hibernation half done, and it was turned to above.
      throw failure('Unavailable', 'a hibernation was left half done')
    case 'hibernated':
    case 'failed':
      return rest(life)
    case 'terminating':
      return remove(life)
    case 'terminated':
      return
  }
}

/** Something terminal that no chapter expects, e.g. the row does not exist. The janitor sees an ended run. */
const endInFailure = async (life: Life, error: TemporalFailure): Promise<never> => {
  const { code, message } = problemOf(error, 'Unavailable')
  const name = isFailureName(code) ? code : 'Unavailable'
  life.known = true
  for (const entry of [...life.queue.splice(0), ...(life.serving ? [life.serving] : [])])
    settle(life, entry, { ok: false, code: name, message })
  await condition(allHandlersFinished, 1000, { summary: 'tell who waits' })
  throw failure(name, message)
}
