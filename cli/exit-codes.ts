import { isProblem, type Problem } from '../sdk/problem.ts'

/** What scripts may rely on. `exec` and `shell` pass the command's own code through. */
export const EXIT = {
  ok: 0,
  failure: 1,
  usage: 2,
  notLoggedIn: 3,
  notFound: 4,
  conflict: 5,
  unavailable: 6,
} as const

/** An error whose message is all there is to say. */
export class CliError extends Error {
  readonly exitCode: number
  readonly hint: string | undefined
  constructor(exitCode: number, message: string, hint?: string) {
    super(message)
    this.exitCode = exitCode
    this.hint = hint
  }
}

export interface Failure {
  readonly exitCode: number
  readonly code: string
  readonly message: string
  readonly hint: string | undefined
}

export const describeFailure = (error: unknown): Failure => {
  if (error instanceof CliError)
    return { exitCode: error.exitCode, code: 'cli', message: error.message, hint: error.hint }
  if (isProblem(error))
    return {
      exitCode: exitCodeOf(error),
      code: error.code,
      message: named(error),
      hint: hintOf(error),
    }
  const message = error instanceof Error ? error.message : String(error)
  return { exitCode: EXIT.failure, code: 'failure', message, hint: undefined }
}

/** Many messages begin with what is wrong; that is enough of its name. */
const named = ({ field, message }: Problem): string =>
  field === undefined || message.startsWith(`${field} `) ? message : `${field}: ${message}`

const exitCodeOf = ({ status }: Problem): number => {
  if (status === 401) return EXIT.notLoggedIn
  if (status === 404 || status === 410) return EXIT.notFound
  if (status === 409) return EXIT.conflict
  if (status === 0 || status === 429 || status >= 500) return EXIT.unavailable
  return status === 400 || status === 422 ? EXIT.usage : EXIT.failure
}

const hintOf = ({ status, code, details }: Problem): string | undefined => {
  if (status === 401) return 'Log in with `dormouse login`, or set DORMOUSE_API_KEY.'
  if (status === 0)
    return 'Is the platform running? Start one here with `npm start`, or name another with --api or DORMOUSE_API_URL.'
  if (status === 403 && process.env['DORMOUSE_API_KEY'] !== undefined)
    return 'DORMOUSE_API_KEY was used; unset it to use your login.'
  if (details['state'] === 'hibernated') return 'Wake it with `dormouse wake`.'
  if (code === 'FilesystemBusy')
    return '`dormouse filesystem ls` names that compute; `dormouse fork` starts another on a copy.'
  return details['retry'] === true ? 'The same request may succeed in a moment.' : undefined
}
