import type { Command } from 'commander'
import type { Client } from '../../sdk/client.ts'
import type { Compute } from '../../sdk/types.ts'
import { contextOf } from '../context.ts'
import { CliError, EXIT } from '../exit-codes.ts'
import { shown, tell } from '../output.ts'
import { ask } from '../prompt.ts'
import { settled, untilDone, WAIT_S, withSpinner } from '../settle.ts'
import { attach } from '../shell/session.ts'
import { ago } from '../when.ts'

export const addShellCommand = (program: Command): void => {
  program
    .command('shell')
    .alias('sh')
    .description('open a terminal in a compute; leave it with Enter ~ .')
    .argument('<compute>')
    .option('-t, --terminal <name>', 'which of its terminals', 'main')
    .option('-w, --wake', 'wake it without asking')
    .action(
      async (
        reference: string,
        options: { terminal: string; wake?: boolean },
        command: Command,
      ) => {
        const context = await contextOf(command)
        const { compute, client } = await context.compute(reference)
        let current = await awake(client, compute, options.wake === true)
        for (;;) {
          const ending = await attach(client, current, options.terminal)
          if (ending.kind === 'exited') process.exitCode = ending.exitCode
          if (ending.kind === 'left')
            tell(
              `\nLeft. The shell goes on in ${shown(compute.name)}; \`dormouse shell ${shown(compute.name)}\` comes back to it.`,
            )
          if (ending.kind === 'closed')
            throw new CliError(EXIT.conflict, `The terminal closed: ${ending.why}.`)
          if (ending.kind !== 'hibernated') return
          tell('')
          // Only a person's own wish wakes it again, whatever was said at the start.
          current = await awake(client, await client.computes.get(compute.id), false)
        }
      },
    )
}

/** Wakes a sleeping compute if the user wants that, and waits for one that is on its way. */
const awake = async (client: Client, compute: Compute, mayWake: boolean): Promise<Compute> => {
  let current = compute
  if (current.state === 'running') return current
  if (current.state === 'hibernating')
    current = await withSpinner(`${shown(compute.name)} is being saved`, () =>
      rest(client, current),
    )
  if (current.state === 'hibernated') {
    if (!mayWake && !(await wantsWake(current)))
      throw new CliError(
        EXIT.conflict,
        `${shown(compute.name)} is hibernated (${shown(current.reason)}, ${ago(current.since)}).`,
        `Wake it with \`dormouse wake ${shown(compute.name)}\`, or open it with --wake.`,
      )
    return withSpinner(`Waking ${shown(compute.name)}`, async (spinner) =>
      untilDone(() => client.computes.wake(compute.id, { wait: WAIT_S }), 'running', spinner),
    )
  }
  return withSpinner(`${shown(compute.name)} is ${current.state}`, (spinner) =>
    settled(client, current, 'running', spinner),
  )
}

const rest = (client: Client, compute: Compute): Promise<Compute> =>
  settled(client, compute, 'hibernated').catch(() => client.computes.get(compute.id))

const wantsWake = async ({ name, reason, since }: Compute): Promise<boolean> => {
  if (!process.stdin.isTTY) return false
  const answer = await ask(
    `${shown(name)} is hibernated (${shown(reason)}, ${ago(since)}). Wake it? [Y/n] `,
  )
  return /^(y(es)?)?$/i.test(answer)
}
