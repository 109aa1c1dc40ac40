import type { Command } from 'commander'
import type { Client } from '../../sdk/client.ts'
import type { Compute, Filesystem } from '../../sdk/types.ts'
import { contextOf } from '../context.ts'
import { createCompute, lineOf } from '../create-compute.ts'
import { print, shown, tell } from '../output.ts'
import { eachCompute, pick } from '../resolve.ts'
import { withSpinner } from '../settle.ts'
import { table } from '../table.ts'
import { ago } from '../when.ts'

/** A filesystem in the trash, and the deleted compute that wrote to it last, if any did. */
interface Trashed {
  readonly filesystem: Filesystem
  readonly compute: Compute | undefined
}

export const addTrashCommands = (program: Command): void => {
  program
    .command('trash')
    .description('list the files of deleted computes, which are kept for 7 days')
    .action(async (_options, command: Command) => {
      const context = await contextOf(command)
      const found = await trashOf(context.client)
      context.show(found, () =>
        print(found.length === 0 ? 'Nothing is in the trash.' : listing(found)),
      )
    })
  program
    .command('undelete')
    .description('start a compute on the files of a deleted one')
    .argument('<compute>', 'a name or an id out of `dormouse trash`')
    .argument('[name]', 'name of the new compute; default: the old one')
    .option('--no-wait', 'do not wait until it runs')
    .action(
      async (
        reference: string,
        name: string | undefined,
        options: { wait: boolean },
        command: Command,
      ) => {
        const context = await contextOf(command)
        const { client } = context
        const trashed = find(await trashOf(client), reference)
        const compute = await withSpinner('Taking it out of the trash', async (spinner) => {
          const { id } = await client.trash.restore(trashed.filesystem.id)
          const made = createCompute(client, likeBefore(trashed, name), spinner, options.wait)
          return made.catch((error: unknown) => {
            spinner.stop()
            tell(`Its files are out of the trash; try \`dormouse create --filesystem ${id}\`.`)
            throw error
          })
        })
        context.show(compute, (made) => print(lineOf(made)))
      },
    )
}

const trashOf = async (client: Client): Promise<readonly Trashed[]> => {
  const { items } = await client.trash.list()
  const lastOf = new Map<string, Compute>()
  for await (const compute of eachCompute(client, { state: 'terminated' })) {
    const other = lastOf.get(compute.filesystem_id)
    if (other === undefined || other.since < compute.since)
      lastOf.set(compute.filesystem_id, compute)
  }
  return items.map((filesystem) => ({ filesystem, compute: lastOf.get(filesystem.id) }))
}

const find = (all: readonly Trashed[], reference: string): Trashed => {
  const byFilesystem = all.find(({ filesystem }) => filesystem.id === reference)
  if (byFilesystem !== undefined) return byFilesystem
  const named = all.flatMap((trashed) => {
    const { compute } = trashed
    return compute === undefined ? [] : [{ id: compute.id, name: compute.name, trashed }]
  })
  return pick(named, reference, 'List what is in the trash with `dormouse trash`.').trashed
}

const likeBefore = ({ filesystem, compute }: Trashed, name: string | undefined) => ({
  name: name ?? compute?.name,
  filesystem_id: filesystem.id,
  group_id: filesystem.group_id,
  ...(compute === undefined
    ? {}
    : {
        // By its id: another one may have its name by now.
        image_name: compute.image_id,
        tier: compute.tier,
        idle_timeout: compute.idle_timeout,
        max_lifetime: compute.max_lifetime,
      }),
})

const listing = (all: readonly Trashed[]): string =>
  table(
    ['NAME', 'DELETED', 'IMAGE', 'COMPUTE', 'FILESYSTEM'],
    all.map(({ filesystem, compute }) => [
      shown(compute?.name ?? filesystem.name ?? '-'),
      filesystem.trashed_at === null ? '-' : ago(filesystem.trashed_at),
      shown(compute?.image_name ?? '-'),
      compute?.id ?? '-',
      filesystem.id,
    ]),
  )
