import type { Command } from 'commander'
import { contextOf } from '../context.ts'
import { print, shown } from '../output.ts'
import { askSecret, secretFromStdin } from '../prompt.ts'

interface Options {
  readonly name?: string
  readonly operator?: boolean
  readonly passwordStdin?: boolean
}

export const addUserCommands = (program: Command): void => {
  program
    .command('whoami')
    .description('say who you are logged in as')
    .action(async (_options, command: Command) => {
      const context = await contextOf(command)
      const me = await context.client.me()
      context.show(me, () =>
        print(
          `${shown(me.email)}${me.operator ? ', operator' : ''}, at ${context.client.api.origin}`,
        ),
      )
    })
  program
    .command('user')
    .alias('users')
    .description('people who may log in, for operators')
    .command('create')
    .description('make a user, who can log in at once')
    .argument('<email>')
    .option('--name <name>', 'how others see them; default: what stands before the @')
    .option('--operator', 'may do what operators may, such as making users')
    .option('--password-stdin', 'read the password from standard input')
    .action(async (email: string, options: Options, command: Command) => {
      const context = await contextOf(command)
      const password = options.passwordStdin
        ? await secretFromStdin()
        : await askSecret(`Password of ${shown(email)}: `)
      const { name, operator } = options
      const user = await context.client.users.create({ email, password, name, operator })
      context.show(user, ({ id }) => print(`${id}  ${shown(email)}`))
    })
}
