import type { Command } from 'commander'
import type { Client } from '../../sdk/client.ts'
import type { Compute, ComputeState } from '../../sdk/types.ts'
import { contextOf } from '../context.ts'
import { CliError, EXIT } from '../exit-codes.ts'
import { print, shown, styledState } from '../output.ts'
import { mustConfirm } from '../prompt.ts'
import { untilDone, WAIT_S, withSpinner } from '../settle.ts'
import { span } from '../when.ts'
import { seconds } from './create.ts'

interface Transition {
  readonly name: string
  readonly about: string
  readonly doing: string
  readonly ends: ComputeState
  readonly ask: (client: Client, id: string, wait: number | undefined) => Promise<Compute>
}

const TRANSITIONS: readonly Transition[] = [
  {
    name: 'hibernate',
    about: 'save its files and stop it',
    doing: 'Saving',
    ends: 'hibernated',
    ask: (client, id, wait) => client.computes.hibernate(id, { wait }),
  },
  {
    name: 'wake',
    about: 'start it again with every file in place',
    doing: 'Waking',
    ends: 'running',
    ask: (client, id, wait) => client.computes.wake(id, { wait }),
  },
  {
    name: 'retry',
    about: 'try again what failed',
    doing: 'Trying again',
    ends: 'running',
    ask: (client, id, wait) => client.computes.retry(id, { wait }),
  },
]

export const addLifeCommands = (program: Command): void => {
  for (const transition of TRANSITIONS) addTransition(program, transition)
  addExtend(program)
  addRemove(program)
}

const addTransition = (program: Command, { name, about, doing, ends, ask }: Transition): void => {
  program
    .command(name)
    .description(about)
    .argument('<compute>')
    .option('--no-wait', 'do not wait until it is done')
    .action(async (reference: string, options: { wait: boolean }, command: Command) => {
      const context = await contextOf(command)
      const { compute } = await context.compute(reference)
      const result = await withSpinner(`${doing} ${shown(compute.name)}`, async (spinner) => {
        const once = (wait?: number) => ask(context.client, compute.id, wait)
        return options.wait ? untilDone(() => once(WAIT_S), ends, spinner) : once()
      })
      context.show(result, ({ state }) => print(`${shown(compute.name)}  ${styledState(state)}`))
    })
}

const addExtend = (program: Command): void => {
  program
    .command('extend')
    .description('change when it ends or hibernates by itself')
    .argument('<compute>')
    .option('--lifetime <time>', 'end its lifetime this long from now; off: no end', seconds)
    .option('--idle <time>', 'new idle timeout; off: never', seconds)
    .action(
      async (
        reference: string,
        options: { lifetime?: number; idle?: number },
        command: Command,
      ) => {
        if (options.lifetime === undefined && options.idle === undefined)
          throw new CliError(EXIT.usage, 'Say what to extend.', 'Give --lifetime or --idle.')
        const context = await contextOf(command)
        const { compute } = await context.compute(reference)
        const result = await context.client.computes.extend(compute.id, {
          ...(options.lifetime !== undefined && { lifetime: options.lifetime }),
          ...(options.idle !== undefined && { idle_timeout: options.idle }),
          wait: WAIT_S,
        })
        context.show(result, ({ lifetime_ends_at: end, idle_timeout: idle }) => {
          print(
            `${shown(compute.name)}  ${end === null ? 'no end' : `ends in ${span(Date.parse(end) - Date.now())}`}, ` +
              (idle === 0 ? 'never hibernates by itself' : `idle timeout ${span(idle * 1000)}`),
          )
        })
      },
    )
}

const addRemove = (program: Command): void => {
  program
    .command('rm')
    .alias('delete')
    .description('delete computes; `undelete` has their files for 7 days')
    .argument('<compute...>')
    .option('--purge', 'delete the files too, at once')
    .option('-y, --yes', 'do not ask')
    .option('--no-wait', 'do not wait until it is done')
    .action(
      async (
        references: readonly string[],
        options: { purge?: boolean; yes?: boolean; wait: boolean },
        command: Command,
      ) => {
        const context = await contextOf(command)
        // All of them are found before the first is deleted.
        const found = await Promise.all(references.map((name) => context.compute(name)))
        const names = found.map(({ compute }) => shown(compute.name)).join(', ')
        const question = `Delete ${names}${options.purge ? ' and every file in it, for good' : ''}?`
        await mustConfirm(question, options.yes, 'Nothing was deleted.')
        const removed: Compute[] = []
        for (const { compute } of found)
          removed.push(await remove(context.client, compute, options))
        context.show(removed, () =>
          removed.forEach(({ name, state }) => print(`${shown(name)}  ${styledState(state)}`)),
        )
      },
    )
}

const remove = (
  client: Client,
  compute: Compute,
  options: { purge?: boolean; wait: boolean },
): Promise<Compute> =>
  withSpinner(`Deleting ${shown(compute.name)}`, async (spinner) => {
    const once = (wait?: number) =>
      client.computes.remove(compute.id, { purge: options.purge === true, wait })
    return options.wait ? untilDone(() => once(WAIT_S), 'terminated', spinner) : once()
  })
