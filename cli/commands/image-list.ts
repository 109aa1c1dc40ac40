import type { Command } from 'commander'
import type { Image } from '../../sdk/types.ts'
import { contextOf } from '../context.ts'
import { print, shown, styled } from '../output.ts'
import { removeNamed } from '../remove-named.ts'
import { pick, resolveGroupId } from '../resolve.ts'
import { size } from '../size.ts'
import { table } from '../table.ts'
import { ago } from '../when.ts'

export const addImageListCommands = (program: Command): void => {
  const image = program
    .command('image')
    .alias('images')
    .description('what computes start from; `commit` makes one of a compute')
  image
    .command('ls')
    .alias('list')
    .description('list the images you can use')
    .option('-q, --quiet', 'ids only')
    .action(async (options: { quiet?: boolean }, command: Command) => {
      const context = await contextOf(command)
      const { items } = await context.client.images.list()
      context.show(items, () => {
        if (options.quiet) items.forEach(({ id }) => print(id))
        else print(listing(items))
      })
    })
  image
    .command('packages')
    .description('list what is installed in an image')
    .argument('<image>', 'id, name, or the beginning of either')
    .action(async (reference: string, _options, command: Command) => {
      const context = await contextOf(command)
      const { client } = context
      const { items } = await client.images.list()
      const { id } = pick(items, reference, 'List them with `dormouse image ls`.', 'image')
      const { packages = [] } = await client.images.get(id)
      const rows = packages.map((one) => [one.name, one.version, one.manager].map(shown))
      context.show(packages, () =>
        print(
          rows.length === 0
            ? `No package of ${shown(reference)} is known.`
            : table(['NAME', 'VERSION', 'BY'], rows),
        ),
      )
    })
  image
    .command('add')
    .description('name an image of a registry, for computes on kubernetes')
    .argument('<name>', 'what to call it here')
    .argument('<reference>', 'with its registry, e.g. docker.io/library/debian:12')
    .option('--group <group>', 'whose it is; default: yours')
    .action(
      async (name: string, reference: string, options: { group?: string }, command: Command) => {
        const context = await contextOf(command)
        const group_id = options.group && (await resolveGroupId(context.client, options.group))
        const added = await context.client.images.create({ name, reference, group_id })
        context.show(added, () => print(`${name}  use it with \`dormouse create --image ${name}\``))
      },
    )
  image
    .command('rm')
    .alias('delete')
    .description('delete images that no compute starts from')
    .argument('<image...>', 'id, name, or the beginning of either')
    .option('-y, --yes', 'do not ask')
    .action(async (references: readonly string[], options: { yes?: boolean }, command: Command) => {
      const context = await contextOf(command)
      const { items } = await context.client.images.list()
      // Those of the platform stay; with one of your own of that name, yours is meant.
      const own = items.filter(({ group_id }) => group_id !== null)
      const found = references.map((name) => {
        const where = 'List them with `dormouse image ls`; those of the platform are not deleted.'
        return pick(own, name, where, 'image')
      })
      await removeNamed(context, found, {
        ...{ verb: 'Delete', done: 'deleted', yes: options.yes },
        remove: (id) => context.client.images.remove(id),
      })
    })
}

const listing = (images: readonly Image[]): string =>
  table(
    ['NAME', 'STATE', 'FROM', 'SIZE', 'MADE', 'ID'],
    images.map((image) => [
      shown(image.name),
      styledState(image.state),
      image.group_id === null ? 'the platform' : shown(image.base),
      image.size_bytes === 0 ? '-' : size(image.size_bytes),
      ago(image.created_at),
      image.id,
    ]),
  )

const styledState = (state: Image['state']): string => {
  if (state === 'ready') return styled('green', state)
  return styled(state === 'failed' ? 'red' : 'yellow', state)
}
