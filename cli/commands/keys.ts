import type { Command } from 'commander'
import { contextOf } from '../context.ts'
import { print, shown, tell } from '../output.ts'
import { removeNamed } from '../remove-named.ts'
import { pick, resolveGroupId } from '../resolve.ts'
import { table } from '../table.ts'
import { ago, span } from '../when.ts'
import { seconds } from './create.ts'

export const addKeyCommands = (program: Command): void => {
  const key = program.command('key').alias('keys').description('API keys, for programs')
  key
    .command('create')
    .description('make an API key; it is printed this once')
    .argument('<name>', 'what uses it')
    .option('--group <group>', 'the one group it sees; default: yours')
    .option('--expires <time>', 'ends after this long, e.g. 90d; default: never', seconds)
    .action(
      async (name: string, options: { group?: string; expires?: number }, command: Command) => {
        const context = await contextOf(command)
        const { client } = context
        const made = await client.apiKeys.create({
          name,
          groupId: options.group && (await resolveGroupId(client, options.group)),
          expiresIn: options.expires || undefined,
        })
        // Standard output has the key and nothing else: KEY=$(dormouse key create ci)
        context.show(made, () => {
          print(made.key)
          tell('It is not shown again. Programs give it as DORMOUSE_API_KEY.')
        })
      },
    )
  key
    .command('ls')
    .alias('list')
    .description('list your API keys')
    .action(async (_options, command: Command) => {
      const context = await contextOf(command)
      const { client } = context
      const [{ items }, groups] = await Promise.all([client.apiKeys.list(), client.groups.list()])
      const groupOf = new Map(groups.items.map(({ id, name }) => [id, name]))
      const rows = items.map((one) => [
        shown(one.name),
        shown(groupOf.get(one.groupId) ?? one.groupId),
        ago(one.createdAt),
        one.lastUsedAt === null ? 'never' : ago(one.lastUsedAt),
        one.expiresAt === null ? 'never' : ending(one.expiresAt),
        one.id,
      ])
      context.show(items, () =>
        print(
          rows.length === 0
            ? 'You have no API keys. Make one with `dormouse key create`.'
            : table(['NAME', 'GROUP', 'MADE', 'USED', 'ENDS', 'ID'], rows),
        ),
      )
    })
  key
    .command('rm')
    .alias('revoke')
    .description('revoke API keys: what uses them is refused from then on')
    .argument('<key...>', 'id, name, or the beginning of either')
    .option('-y, --yes', 'do not ask')
    .action(async (references: readonly string[], options: { yes?: boolean }, command: Command) => {
      const context = await contextOf(command)
      const { items } = await context.client.apiKeys.list()
      const found = references.map((name) =>
        pick(items, name, 'List yours with `dormouse key ls`.', 'API key'),
      )
      await removeNamed(context, found, {
        ...{ verb: 'Revoke', done: 'revoked', yes: options.yes },
        remove: (id) => context.client.apiKeys.revoke(id),
      })
    })
}

const ending = (iso: string): string => {
  const left = Date.parse(iso) - Date.now()
  return left > 0 ? `in ${span(left)}` : `${span(left)} ago`
}
