/** Continue-as-new: at a rest, when nobody waits for an answer of this run. */
import {
  allHandlersFinished,
  condition,
  continueAsNew,
  makeContinueAsNewFunc,
  workflowInfo,
} from '@temporalio/workflow'
import type { ComputeInput } from './contract.ts'
import { searchableOf } from './display.ts'
import { follows, type Life } from './life.ts'

type Compute = (input: ComputeInput) => Promise<void>

export const mayRenew = (life: Life): boolean =>
  wantsRenewal(life) &&
  allHandlersFinished() &&
  life.queue.every((entry) => entry.tickets.length === 0)

export const renewIfWanted = async (life: Life): Promise<void> => {
  const quiet = follows(life, 2)
  // Who was just answered hears it first: then this run ends here, with no word on a rest of its own.
  if (quiet && wantsRenewal(life)) await condition(() => life.outcomes.size === 0)
  if (!mayRenew(life)) return
  const { recover: _, ...input } = life.input
  const wishes = life.queue.map((entry) => entry.wish)
  const next = { ...input, memory: { ...life.memory, wishes } }
  await (quiet ? continueAs(life)(next) : continueAsNew<Compute>(next))
}

const wantsRenewal = (life: Life): boolean => life.renew || workflowInfo().continueAsNewSuggested

const continueAs = (life: Life) =>
  makeContinueAsNewFunc<Compute>({
    typedSearchAttributes: workflowInfo().typedSearchAttributes.updateCopy(searchableOf(life)),
  })
