import type { Command } from 'commander'
import type { Compute } from '../../sdk/types.ts'
import { contextOf } from '../context.ts'
import { print, shown, styledState } from '../output.ts'
import { peopleOf } from '../people.ts'
import { ago, span } from '../when.ts'

export const addWhyCommand = (program: Command): void => {
  program
    .command('why')
    .description('say why a compute is up, or why it stopped')
    .argument('<compute>')
    .action(async (reference: string, _options, command: Command) => {
      const context = await contextOf(command)
      const { compute } = await context.compute(reference)
      const current = await context.client.computes.get(compute.id)
      const { actor } = current.why
      const by = context.options.json
        ? actor
        : await peopleOf(context.client)(actor, current.group_id)
      context.show(current.why, () => lines(current, by).forEach(print))
    })
}

const lines = (compute: Compute, by: string): string[] => {
  const { why, problem } = compute
  const answer = why.upBecause ?? why.stoppedBecause ?? why.reason
  return [
    `${shown(compute.name)} is ${styledState(compute.state)}: ${shown(answer)}`,
    `  since   ${ago(why.since)} (${why.since})`,
    `  by      ${shown(by)} (${shown(why.reason)})`,
    ...(why.nextTimer === undefined ? [] : [`  next    ${next(why.nextTimer)}`]),
    ...(why.outOfMemoryAt === undefined
      ? []
      : [`  memory  a process was ended ${ago(why.outOfMemoryAt)}: the memory was used up`]),
    ...(problem === null ? [] : [`  problem ${shown(problem.message)}`]),
  ]
}

const next = (timer: NonNullable<Compute['why']['nextTimer']>): string => {
  if (timer.kind === 'idle')
    return `hibernates after ${span((timer.afterIdleSeconds ?? 0) * 1000)} without activity`
  const at = timer.at === undefined ? '' : ` in ${span(Date.parse(timer.at) - Date.now())}`
  return timer.kind === 'lifetime' ? `its lifetime ends${at}` : `its schedule acts${at}`
}
