import type { Command } from 'commander'
import type { Compute } from '../../sdk/types.ts'
import { contextOf } from '../context.ts'
import { print, shown, styledState } from '../output.ts'
import { eachCompute } from '../resolve.ts'
import { table } from '../table.ts'
import { ago } from '../when.ts'

export const addListCommand = (program: Command): void => {
  program
    .command('ls')
    .alias('list')
    .description('list your computes')
    .option('-a, --all', 'the terminated ones too')
    .option('--state <state>', 'only those in this state')
    .option('-q, --quiet', 'ids only')
    .action(
      async (options: { all?: boolean; state?: string; quiet?: boolean }, command: Command) => {
        const context = await contextOf(command)
        const query = options.state === undefined ? {} : { state: options.state }
        const computes: Compute[] = []
        for await (const compute of eachCompute(context.client, query))
          if (options.all || options.state || compute.state !== 'terminated') computes.push(compute)
        context.show(computes, () => {
          if (options.quiet) computes.forEach(({ id }) => print(id))
          else if (computes.length === 0)
            print('You have no computes. Make one with `dormouse create`.')
          else print(listing(computes))
        })
      },
    )
}

const listing = (computes: readonly Compute[]): string =>
  table(
    ['NAME', 'STATE', 'SINCE', 'BECAUSE', 'IMAGE', 'TIER', 'ID'],
    computes.map((compute) => [
      shown(compute.name),
      styledState(compute.state),
      ago(compute.since),
      shown(compute.reason),
      shown(compute.image_name),
      compute.tier,
      compute.id,
    ]),
  )
