import type { Command } from 'commander'
import type { Filesystem } from '../../sdk/types.ts'
import { contextOf } from '../context.ts'
import { filesystemsOf, resolveFilesystems } from '../filesystem.ts'
import { print, shown } from '../output.ts'
import { removeNamed } from '../remove-named.ts'
import { eachCompute, resolveGroupId } from '../resolve.ts'
import { table } from '../table.ts'
import { ago } from '../when.ts'

export const addFilesystemCommands = (program: Command): void => {
  const filesystem = program
    .command('filesystem')
    .aliases(['filesystems', 'fs'])
    .description('files that outlive computes; `create --filesystem` uses one')
  filesystem
    .command('ls')
    .alias('list')
    .description('list your filesystems')
    .action(async (_options, command: Command) => {
      const context = await contextOf(command)
      const all = await filesystemsOf(context.client)
      const names = new Map<string, string>()
      for await (const { id, name } of eachCompute(context.client)) names.set(id, name)
      const writer = ({ lease_compute_id: id }: Filesystem) => (id && (names.get(id) ?? id)) || '-'
      context.show(all, () =>
        print(
          all.length === 0
            ? 'You have no filesystems. Every compute is made with one.'
            : table(
                ['NAME', 'WRITTEN BY', 'MADE', 'ID'],
                all.map((one) => [
                  shown(one.name ?? '-'),
                  shown(writer(one)),
                  ago(one.created_at),
                  one.id,
                ]),
              ),
        ),
      )
    })
  filesystem
    .command('create')
    .description('make an empty one, which stays when its compute is deleted')
    .argument('<name>')
    .option('--group <group>', 'whose it is; default: yours')
    .action(async (name: string, options: { group?: string }, command: Command) => {
      const context = await contextOf(command)
      const group_id = options.group && (await resolveGroupId(context.client, options.group))
      const made = await context.client.filesystems.create({ name, group_id })
      context.show(made, ({ id }) =>
        print(`${id}  use it with \`dormouse create --filesystem ${id}\``),
      )
    })
  filesystem
    .command('rm')
    .alias('delete')
    .description('put filesystems that no compute writes to into the trash, for 7 days')
    .argument('<filesystem...>', 'id, name, or the beginning of either')
    .option('-y, --yes', 'do not ask')
    .action(async (references: readonly string[], options: { yes?: boolean }, command: Command) => {
      const context = await contextOf(command)
      const found = await resolveFilesystems(context.client, references)
      await removeNamed(context, found, {
        ...{ verb: 'Delete', done: 'deleted', told: 'in the trash', yes: options.yes },
        remove: (id) => context.client.filesystems.remove(id),
      })
    })
}
