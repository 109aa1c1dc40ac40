import { existsSync } from 'node:fs'
import { basename, resolve } from 'node:path'
import { flagField, optionalString, optionalWhole, stringMap } from '../body.ts'
import { Failure } from '../errors.ts'

const LONGEST_TIMEOUT_MS = 2 ** 31 - 1
const EXEC_TIMEOUT_MS = 60_000

/** An ExecRequest, checked, with its defaults filled in. */
export interface CommandSpec {
  readonly argv: readonly [string, ...string[]]
  /** As the user wrote it, for listings. */
  readonly shown: string
  /** The program's name and nothing of its arguments, which may hold secrets. */
  readonly program: string
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  /** 0 is none. */
  readonly timeoutMs: number
  readonly background: boolean
  readonly stdin: string | undefined
  readonly stdinOpen: boolean
}

/** Errors: invalid, naming the field. */
export const parseExec = (
  body: Readonly<Record<string, unknown>>,
  home: string,
  options: { readonly alwaysBackground: boolean },
): CommandSpec => {
  const argv = parseArgv(body['command'])
  const background = options.alwaysBackground || flagField(body, 'background')
  const cwd = resolve(home, optionalString(body, 'cwd') ?? '.')
  if (cwd.includes('\0') || !existsSync(cwd))
    throw new Failure('invalid', '`cwd` does not exist in the compute.')
  const timeoutMs = optionalWhole(body, 'timeoutMs') ?? (background ? 0 : EXEC_TIMEOUT_MS)
  if (timeoutMs > LONGEST_TIMEOUT_MS)
    throw new Failure('invalid', '`timeoutMs` may be 24 days at most; 0 is no timeout.')
  return {
    argv,
    shown: typeof body['command'] === 'string' ? body['command'] : argv.join(' '),
    program: programOf(body['command'], argv),
    cwd,
    env: stringMap(body, 'env'),
    timeoutMs,
    background,
    stdin: optionalString(body, 'stdin'),
    stdinOpen: flagField(body, 'stdinOpen'),
  }
}

const parseArgv = (command: unknown): CommandSpec['argv'] => {
  const words = typeof command === 'string' ? ['sh', '-c', command] : command
  const valid =
    Array.isArray(words) &&
    words.length > 0 &&
    words[0] !== '' &&
    words.every((word) => typeof word === 'string' && !word.includes('\0'))
  if (!valid)
    throw new Failure('invalid', '`command` must be a string for `sh -c`, or a list of words.')
  return words as unknown as CommandSpec['argv']
}

const programOf = (command: unknown, argv: CommandSpec['argv']): string => {
  // In a script an assignment may come first: TOKEN=… program.
  const words = typeof command === 'string' ? command.trim().split(/\s+/) : [argv[0]]
  const program = basename(words.find((word) => !word.includes('=')) ?? '')
  return /^[\w.+-]{1,32}$/.test(program) ? program : 'sh'
}
