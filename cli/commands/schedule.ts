import type { Command } from 'commander'
import type { Compute, Schedule } from '../../sdk/types.ts'
import { contextOf, type Context } from '../context.ts'
import { CliError, EXIT } from '../exit-codes.ts'
import { print, shown, tell } from '../output.ts'
import { WAIT_S } from '../settle.ts'
import { table } from '../table.ts'
import { span } from '../when.ts'

interface Options {
  readonly hibernate?: readonly string[]
  readonly wake?: readonly string[]
  readonly timezone?: string
}

export const addScheduleCommands = (program: Command): void => {
  const schedule = program
    .command('schedule')
    .description('hibernate and wake a compute by the clock')
  schedule
    .command('show')
    .description('show when it hibernates and wakes')
    .argument('<compute>')
    .action(async (reference: string, _options, command: Command) => {
      const context = await contextOf(command)
      const { compute } = await context.compute(reference)
      await tellSchedule(context, compute, compute.schedule)
    })
  schedule
    .command('set')
    .description('give it a schedule, in place of the one it has')
    .argument('<compute>')
    .option('--hibernate <cron>', 'when to hibernate; repeatable', another)
    .option('--wake <cron>', 'when to wake; repeatable', another)
    .option('--timezone <zone>', 'e.g. Europe/Zurich; default: of this machine')
    .addHelpText(
      'after',
      `
Times are cron lines of five fields: minute, hour, day, month, day of the week.
On working days from 8 to 19:

  dormouse schedule set work --wake '0 8 * * 1-5' --hibernate '0 19 * * 1-5'`,
    )
    .action(async (reference: string, options: Options, command: Command) => {
      const { hibernate = [], wake = [] } = options
      if (hibernate.length + wake.length === 0)
        throw new CliError(
          EXIT.usage,
          'Say when.',
          'Give --hibernate, --wake or both, such as --hibernate "0 19 * * 1-5".',
        )
      const timezone = options.timezone ?? Intl.DateTimeFormat().resolvedOptions().timeZone
      await put(reference, { timezone, hibernate, wake }, command)
    })
  schedule
    .command('clear')
    .description('take its schedule away')
    .argument('<compute>')
    .action((reference: string, _options, command: Command) => put(reference, null, command))
}

const another = (line: string, before: readonly string[] = []): readonly string[] => [
  ...before,
  line,
]

const put = async (
  reference: string,
  schedule: Schedule | null,
  command: Command,
): Promise<void> => {
  const context = await contextOf(command)
  const { compute } = await context.compute(reference)
  const result = await context.client.computes.schedule(compute.id, schedule, { wait: WAIT_S })
  if (result.settled === false) tell('Accepted; the compute has not taken it up yet.')
  if (schedule === null)
    context.show(null, () => print(`${shown(result.name)} has no schedule now.`))
  else await tellSchedule(context, result, schedule)
}

const tellSchedule = async (
  context: Context,
  compute: Compute,
  schedule: Schedule | null,
): Promise<void> => {
  const text = schedule === null ? none(compute) : await listing(schedule)
  context.show(schedule, () => print(text))
}

const none = ({ name }: Compute): string =>
  `${shown(name)} has no schedule. Give it one with \`dormouse schedule set\`.`

const listing = async ({ timezone, hibernate, wake }: Schedule): Promise<string> => {
  // Only for who needs it: it would be read at the start of every command.
  const { Cron } = await import('croner')
  const next = (line: string): string => {
    const ms = new Cron(line, { timezone, paused: true }).msToNext()
    return ms === null ? 'never' : `in ${span(ms)}`
  }
  const rows = (does: string, lines: readonly string[]) =>
    lines.map((line) => [does, shown(line), timezone, next(line)])
  return table(
    ['DOES', 'AT', 'TIMEZONE', 'NEXT'],
    [...rows('wake', wake), ...rows('hibernate', hibernate)],
  )
}
