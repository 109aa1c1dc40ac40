import { InvalidArgumentError, type Command } from 'commander'
import type { NewCompute } from '../../sdk/types.ts'
import { contextOf } from '../context.ts'
import { createCompute, lineOf } from '../create-compute.ts'
import { resolveFilesystems } from '../filesystem.ts'
import { print } from '../output.ts'
import { resolveGroupId } from '../resolve.ts'
import { withSpinner } from '../settle.ts'
import { parseSeconds } from '../when.ts'

interface Options {
  readonly image?: string
  readonly filesystem?: string
  readonly group?: string
  readonly tier?: string
  readonly idle?: number
  readonly lifetime?: number
  readonly network?: 'shared' | 'none'
  readonly env?: Readonly<Record<string, string>>
  readonly wait: boolean
}

export const addComputeCommands = (program: Command): void => {
  program
    .command('create')
    .description('create a compute and wait until it runs')
    .argument('[name]')
    .option('--image <name>', 'what it starts from')
    .option('--filesystem <filesystem>', 'use an existing one')
    .option('--group <group>', 'whose it is; default: yours')
    .option('--tier <tier>', 'basic, standard or premium')
    .option(
      '--idle <time>',
      'hibernate after this long without activity, e.g. 30m; off: never',
      seconds,
    )
    .option('--lifetime <time>', 'longest time up, e.g. 2h; off: no end', seconds)
    .option('--network <kind>', 'shared or none')
    .option('--env <NAME=value>', 'set a variable; repeatable; NAME alone takes yours', variable)
    .option('--no-wait', 'do not wait until it runs')
    .action(async (name: string | undefined, options: Options, command: Command) => {
      const context = await contextOf(command)
      const [filesystem] =
        options.filesystem === undefined
          ? []
          : await resolveFilesystems(context.client, [options.filesystem])
      const wanted: NewCompute = {
        name,
        image_name: options.image,
        filesystem_id: filesystem?.id,
        group_id: options.group && (await resolveGroupId(context.client, options.group)),
        tier: options.tier,
        idle_timeout: options.idle,
        max_lifetime: options.lifetime,
        network: options.network,
        env: options.env,
      }
      const compute = await withSpinner('Creating', (spinner) =>
        createCompute(context.client, wanted, spinner, options.wait),
      )
      context.show(compute, (made) => print(lineOf(made)))
    })
}

export const seconds = (text: string): number => {
  const value = parseSeconds(text)
  if (value === undefined)
    throw new InvalidArgumentError('Give a time such as 90s, 30m, 2h or off.')
  return value
}

export const variable = (
  text: string,
  before: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> => {
  const at = text.indexOf('=')
  const name = at === -1 ? text : text.slice(0, at)
  const value = at === -1 ? process.env[name] : text.slice(at + 1)
  if (value === undefined) throw new InvalidArgumentError(`${name} is not set in your environment.`)
  return { ...before, [name]: value }
}
