import { Argument, Option, type Command } from 'commander'
import type { Role } from '../../sdk/types.ts'
import { contextOf } from '../context.ts'
import { CliError, EXIT } from '../exit-codes.ts'
import { print, shown } from '../output.ts'
import { resolveGroupId } from '../resolve.ts'
import { table } from '../table.ts'

const ROLES: readonly Role[] = ['owner', 'member', 'viewer']

export const addGroupCommands = (program: Command): void => {
  const group = program
    .command('group')
    .alias('groups')
    .description('people who share computes, files and images')
  group
    .command('ls')
    .alias('list')
    .description('list your groups')
    .action(async (_options, command: Command) => {
      const context = await contextOf(command)
      const { items } = await context.client.groups.list()
      context.show(items, () =>
        print(
          table(
            ['NAME', 'YOUR ROLE', 'KIND', 'ID'],
            items.map(({ name, role, personal, id }) => [
              shown(name),
              role,
              personal ? 'personal' : 'shared',
              id,
            ]),
          ),
        ),
      )
    })
  group
    .command('create')
    .description('make a group; you are its owner')
    .argument('<name>')
    .action(async (name: string, _options, command: Command) => {
      const context = await contextOf(command)
      const made = await context.client.groups.create({ name })
      context.show(made, () => print(`${made.id}  ${shown(made.name)}`))
    })
  group
    .command('members')
    .description('list who is in a group')
    .addArgument(theGroup())
    .action(async (reference: string, _options, command: Command) => {
      const context = await contextOf(command)
      const { client } = context
      const { items } = await client.groups.members(await resolveGroupId(client, reference))
      const rows = items.map(({ email, name, role }) => [shown(email), shown(name), role])
      context.show(items, () => print(table(['EMAIL', 'NAME', 'ROLE'], rows)))
    })
  group
    .command('add')
    .description('add a user to a group, or change the role of one who is in it')
    .addArgument(theGroup())
    .argument('<email>')
    .addOption(
      new Option('--role <role>', 'owners manage, members use, viewers look')
        .choices(ROLES)
        .default('member'),
    )
    .action(async (reference: string, email: string, options: { role: Role }, command: Command) => {
      const context = await contextOf(command)
      const { client } = context
      const groupId = await resolveGroupId(client, reference)
      const member = await client.groups.setMember(groupId, { email, role: options.role })
      context.show(member, () => print(`${shown(member.email)}  ${member.role}`))
    })
  group
    .command('remove')
    .description('remove a user from a group; what they made in it stays')
    .addArgument(theGroup())
    .argument('<email>')
    .action(async (reference: string, email: string, _options, command: Command) => {
      const context = await contextOf(command)
      const { client } = context
      const groupId = await resolveGroupId(client, reference)
      const { items } = await client.groups.members(groupId)
      const member = items.find((one) => one.email.toLowerCase() === email.trim().toLowerCase())
      if (member === undefined)
        throw new CliError(
          EXIT.notFound,
          `${email} is not in this group.`,
          `List who is with \`dormouse group members ${reference}\`.`,
        )
      await client.groups.removeMember(groupId, member.user_id)
      context.show({ ...member, removed: true }, () => print(`${shown(member.email)}  removed`))
    })
}

const theGroup = (): Argument => new Argument('<group>', 'id, name, or the beginning of either')
