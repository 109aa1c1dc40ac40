import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { addComputeCommands } from './commands/create.ts'
import { addCopyCommand } from './commands/copy.ts'
import { addExecCommand } from './commands/exec.ts'
import { addFilesystemCommands } from './commands/filesystems.ts'
import { addGroupCommands } from './commands/groups.ts'
import { addImageListCommands } from './commands/image-list.ts'
import { addImageCommands } from './commands/images.ts'
import { addKeyCommands } from './commands/keys.ts'
import { addLifeCommands } from './commands/life.ts'
import { addListCommand } from './commands/list.ts'
import { addLoginCommands } from './commands/login.ts'
import { addLogsCommand } from './commands/logs.ts'
import { addOpenCommand } from './commands/open.ts'
import { addPortCommands } from './commands/ports.ts'
import { addScheduleCommands } from './commands/schedule.ts'
import { addShellCommand } from './commands/shell.ts'
import { addSnapshotCommands } from './commands/snapshots.ts'
import { addTrashCommands } from './commands/trash.ts'
import { addUserCommands } from './commands/users.ts'
import { addWhyCommand } from './commands/why.ts'
import { describeFailure, EXIT } from './exit-codes.ts'
import type { GlobalOptions } from './session.ts'
import { printJson, styled, tell } from './output.ts'

// As far from cli/main.ts as from dist/cli.js.
const { version } = JSON.parse(
  readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
) as { version: string }

const program = new Command('dormouse')
  .description('Computes that sleep: create them, work in them, let them rest')
  .version(version)
  .enablePositionalOptions()
  .showHelpAfterError('Run with --help to see what is possible.')
  .addHelpText(
    'after',
    `
A compute is named by its id, its name, or the beginning of either.

Exit codes: 0 done, 1 failed, 2 wrong use, 3 not logged in, 4 not found,
5 the compute's state forbids it, 6 the platform does not answer.
exec and shell pass on the exit code of what ran.`,
  )
  .exitOverride()

program.commandsGroup('Who you are:')
addLoginCommands(program)
addUserCommands(program)
addKeyCommands(program)
addGroupCommands(program)
program.commandsGroup('Computes:')
addComputeCommands(program)
addListCommand(program)
addShellCommand(program)
addExecCommand(program)
addCopyCommand(program)
addOpenCommand(program)
addPortCommands(program)
program.commandsGroup('How long they are up, and why:')
addLogsCommand(program)
addWhyCommand(program)
addLifeCommands(program)
addScheduleCommands(program)
program.commandsGroup('Their files and images:')
addTrashCommands(program)
addSnapshotCommands(program)
addFilesystemCommands(program)
addImageCommands(program)
addImageListCommands(program)
program.commandsGroup('Help:').helpCommand(true)

const every = (command: Command): readonly Command[] => [
  command,
  ...command.commands.flatMap(every),
]

// Wherever they stand: before a command's name or after it.
let json = false
for (const command of every(program))
  command
    .option('--api <url>', 'the platform (or DORMOUSE_API_URL; default: where you logged in)')
    .option('--json', 'print JSON')
    .exitOverride()
program.hook('preAction', (_program, command) => {
  json = command.optsWithGlobals<GlobalOptions>().json === true
})

// A reader that has seen enough (`dormouse logs | head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? EXIT.ok : EXIT.failure)
})

try {
  await program.parseAsync()
} catch (error) {
  process.exitCode = error instanceof CommanderError ? usage(error) : fail(error)
}

function usage(error: CommanderError): number {
  return error.exitCode === 0 ? EXIT.ok : EXIT.usage
}

function fail(error: unknown): number {
  const { exitCode, code, message, hint } = describeFailure(error)
  if (json) printJson({ error: { code, message, hint } })
  else {
    tell(`${styled('red', 'Error:', process.stderr)} ${message}`)
    if (hint !== undefined) tell(styled('dim', hint, process.stderr))
  }
  return exitCode
}
