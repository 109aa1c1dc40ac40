import { constants } from 'node:os'
import type { Command } from 'commander'
import type { Client } from '../../sdk/client.ts'
import { isProblem } from '../../sdk/problem.ts'
import type { ExecExit } from '../../sdk/exec.ts'
import { contextOf } from '../context.ts'
import { CliError, EXIT } from '../exit-codes.ts'
import { printJson, tell } from '../output.ts'
import { takeAllTime } from '../patience.ts'
import { seconds, variable } from './create.ts'

interface Options {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  readonly timeout?: number
}

export const addExecCommand = (program: Command): void => {
  program
    .command('exec')
    .description('run a command in a compute and pass on its output and exit code')
    .argument('<compute>')
    .argument('<command...>', 'one argument is given to sh -c; more are run as they are')
    .option('-C, --cwd <folder>', 'folder to run it in; default /home/user')
    .option('-e, --env <NAME=value>', 'set a variable for it; repeatable', variable)
    .option('--timeout <time>', 'end it after this long; default: never', seconds)
    .passThroughOptions()
    .action(
      async (reference: string, argv: readonly string[], options: Options, command: Command) => {
        // No program is meant by that; one whose name begins so stands after `--`.
        if (argv[0] !== '--' && argv[0]?.startsWith('-'))
          throw new CliError(
            EXIT.usage,
            `${argv[0]} stands where the command should.`,
            `Options of exec stand before the compute: dormouse exec ${argv[0]} … ${reference} …`,
          )
        await takeAllTime()
        const context = await contextOf(command)
        const { compute, client } = await context.compute(reference)
        const words = argv[0] === '--' ? argv.slice(1) : argv
        const exit = await run(
          client,
          compute.id,
          words,
          options,
          context.options.json === true,
        ).catch(tellHowItWasRead(words))
        process.exitCode = exitCodeOf(exit)
      },
    )
}

/** Of a program that is not there: as what the words were read. */
const tellHowItWasRead =
  ([program = '', ...rest]: readonly string[]) =>
  (error: unknown): never => {
    const missing = isProblem(error) && error.message.startsWith('There is no program')
    if (!missing || rest.length === 0) throw error
    const asItIs = 'Several arguments are run as they are; one alone, in quotes, is given to sh -c.'
    const options = rest.some((word) => word.startsWith('-')) && /\s/.test(program)
    throw new CliError(
      EXIT.usage,
      error.message,
      options ? `${asItIs} Options of exec stand before the compute.` : asItIs,
    )
  }

const run = async (
  client: Client,
  computeId: string,
  argv: readonly string[],
  options: Options,
  json: boolean,
): Promise<ExecExit> => {
  const captured = { stdout: [] as Uint8Array[], stderr: [] as Uint8Array[] }
  const piped = process.stdin.isTTY !== true
  const ended = new AbortController()
  const interrupts = { stop: () => {} }
  const sink = (stream: 'stdout' | 'stderr') => (bytes: Uint8Array) =>
    json ? void captured[stream].push(bytes) : written(process[stream], bytes)
  try {
    const exit = await client.exec(
      computeId,
      {
        command: argv.length === 1 ? argv[0]! : argv,
        timeoutMs: (options.timeout ?? 0) * 1000,
        stdinOpen: piped,
        ...(options.cwd !== undefined && { cwd: options.cwd }),
        ...(options.env !== undefined && { env: options.env }),
      },
      {
        onStart: (id) => {
          interrupts.stop = passInterrupts(client, computeId, id)
          if (piped) void feed(client, computeId, id, ended.signal)
        },
        onStdout: sink('stdout'),
        onStderr: sink('stderr'),
        onTruncated: (stream, from, to) =>
          tell(`(${to - from} bytes of ${stream} were lost: they came faster than they were read)`),
      },
    )
    const text = (parts: Uint8Array[]) => Buffer.concat(parts).toString('utf8')
    if (json) printJson({ ...exit, stdout: text(captured.stdout), stderr: text(captured.stderr) })
    return exit
  } finally {
    interrupts.stop()
    ended.abort()
    // A pipe nobody closes must not keep this process.
    if (piped) process.stdin.destroy()
  }
}

const feed = async (client: Client, computeId: string, id: string, signal: AbortSignal) => {
  try {
    await client.stdin(computeId, id, process.stdin, signal)
  } catch (error) {
    if (signal.aborted) return
    if (isProblem(error)) tell(`Standard input was cut off: ${error.message}`)
  }
}

/** The first Ctrl-C goes to the command; after the third this process ends, and the command with it. */
const passInterrupts = (client: Client, computeId: string, id: string): (() => void) => {
  let count = 0
  const onSignal = (signal: NodeJS.Signals) => {
    count += 1
    if (count > 2) process.exit(130)
    client.kill(computeId, id, count === 1 ? signal : 'SIGKILL').catch(() => {})
  }
  for (const signal of PASSED) process.on(signal, onSignal)
  return () => PASSED.forEach((signal) => process.off(signal, onSignal))
}
const PASSED = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

const written = (stream: NodeJS.WriteStream, bytes: Uint8Array): Promise<void> | void =>
  stream.write(bytes) ? undefined : new Promise((resolve) => stream.once('drain', resolve))

/** As a shell has it: 124 after a time-out, 128 and the number after a signal. */
const exitCodeOf = ({ exitCode, signal, timedOut }: ExecExit): number => {
  if (timedOut) return 124
  if (exitCode !== null) return exitCode
  const number = constants.signals[signal as NodeJS.Signals] as number | undefined
  return 128 + (number ?? 0)
}
