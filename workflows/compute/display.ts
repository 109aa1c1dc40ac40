/** What an operator sees of a compute in the Temporal UI. */
import type { SearchAttributePair } from '@temporalio/common'
import { setCurrentDetails, upsertSearchAttributes } from '@temporalio/workflow'
import { ComputeReason, ComputeState } from '../search-attributes.ts'
import { shownAs, type Life } from './life.ts'
import { isUp } from './lifecycle.ts'
import { nextTimer } from './timers.ts'

export const showDetails = (life: Life): void => {
  const { memory } = life
  const lines = [
    `**${memory.state}** since ${memory.since}, generation ${memory.generation}`,
    `- ${isUp(memory.state) ? 'why it is up' : 'why'}: ${memory.cause.reason} by ${memory.cause.actor}`,
  ]
  if (life.activity !== null && isUp(memory.state))
    lines.push(`- in use: \`${life.activity.replaceAll('`', "'").slice(0, 200)}\``)
  const timer = memory.clock && nextTimer(memory.clock, life.input.timings.announceMs, Date.now())
  if (timer !== undefined && memory.state === 'running')
    lines.push(`- next: ${timer.summary} at ${new Date(timer.atMs).toISOString()}`)
  if (memory.problem !== undefined)
    lines.push(
      `- last problem: **${memory.problem.code}** at ${memory.problem.at}: ${memory.problem.message}`,
    )
  if (life.queue.length > 0)
    lines.push(`- waiting: ${life.queue.map((entry) => entry.wish.kind).join(', ')}`)
  setCurrentDetails(lines.join('\n'))
}

/** Only where a compute rests and waits: each is an event of history and a write to visibility. */
export const showSearchable = (life: Life): void => {
  const shown = shownAs(life.memory)
  if (life.shown === shown) return
  life.shown = shown
  upsertSearchAttributes(searchableOf(life))
}

/** What the next run is found by from its start. */
export const searchableOf = (life: Life): SearchAttributePair[] => [
  { key: ComputeState, value: life.memory.state },
  { key: ComputeReason, value: life.memory.cause.reason },
]
