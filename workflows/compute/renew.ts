/** Continue-as-new: at a rest, when nobody waits for an answer of this run. */
import { allHandlersFinished, continueAsNew, workflowInfo } from '@temporalio/workflow'
import type { ComputeInput } from './contract.ts'
import type { Life } from './life.ts'

export const mayRenew = (life: Life): boolean =>
  (life.renew || workflowInfo().continueAsNewSuggested) &&
  allHandlersFinished() &&
  life.queue.every((entry) => entry.tickets.length === 0)

export const renewIfWanted = async (life: Life): Promise<void> => {
  if (!mayRenew(life)) return
  const { recover: _, ...input } = life.input
  const wishes = life.queue.map((entry) => entry.wish)
  await continueAsNew<(input: ComputeInput) => Promise<void>>({
    ...input,
    memory: { ...life.memory, wishes },
  })
}
