/** What an operator sees of a compute in the Temporal UI. */
import { setCurrentDetails, upsertSearchAttributes } from '@temporalio/workflow'
import { ComputeReason, ComputeState } from '../search-attributes.ts'
import type { Life } from './life.ts'
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

/**
 * Only where a compute rests and waits: each is an event of history and a write to visibility. It also
 * makes the first task of a renewed run one with a command: the SDK replays an empty first task
 * together with the next one, whose updates would then come before the plot instead of after it.
 */
export const showSearchable = (life: Life): void => {
  const { state, since } = life.memory
  if (life.shown === `${state} ${since}`) return
  life.shown = `${state} ${since}`
  upsertSearchAttributes([
    { key: ComputeState, value: life.memory.state },
    { key: ComputeReason, value: life.memory.cause.reason },
  ])
}
