import type { Command } from 'commander'
import { openClient } from '../../sdk/client.ts'
import { noAuth } from '../../sdk/http.ts'
import { isProblem } from '../../sdk/problem.ts'
import { removeCredentials, writeCredentials } from '../credentials.ts'
import { CliError, EXIT } from '../exit-codes.ts'
import { print, printJson } from '../output.ts'
import { ask, askSecret, secretFromStdin } from '../prompt.ts'
import { apiUrlOf, tokensOf, type GlobalOptions } from '../session.ts'

export const addLoginCommands = (program: Command): void => {
  program
    .command('login')
    .description('log in and keep the session in your configuration folder')
    .option('--email <email>', 'asked for if not given')
    .option('--password-stdin', 'read the password from standard input')
    .action(async (_options, command: Command) => {
      const options = command.optsWithGlobals<
        GlobalOptions & { email?: string; passwordStdin?: boolean }
      >()
      const apiUrl = apiUrlOf(options)
      const email = options.email ?? (await ask('Email: '))
      const password = options.passwordStdin
        ? await secretFromStdin()
        : await askSecret('Password: ')
      const client = openClient({ apiOrigin: apiUrl, gatewayOrigin: apiUrl, auth: noAuth })
      const session = await client.login(email, password).catch((error: unknown) => {
        throw isProblem(error) && error.status === 401 ? refused(error.message) : error
      })
      await writeCredentials({ apiUrl, email, ...tokensOf(session) })
      if (options.json) printJson({ apiUrl, user: session.user })
      else print(`Logged in to ${apiUrl} as ${session.user.email}.`)
    })
  program
    .command('logout')
    .description('forget the session kept on this machine')
    .action(async (_options, command: Command) => {
      await removeCredentials()
      if (command.optsWithGlobals<GlobalOptions>().json) printJson({ loggedOut: true })
      else print('Logged out.')
    })
}

/** Who has just tried to log in is not told to log in. */
const refused = (message: string): CliError =>
  new CliError(
    EXIT.notLoggedIn,
    message,
    'The first login of a platform started by `npm start` is in first-login.txt of its state folder.',
  )
