import { STATUS_CODES, type IncomingMessage, type ServerResponse } from 'node:http'
import { pipeline } from 'node:stream'
import { answerHeaders } from './forwarded-headers.ts'
import { isNavigation } from './intent.ts'
import { readAtMost } from './read-at-most.ts'
import { Refusal } from './refusal.ts'

export interface AnswerRules {
  /** From a user's application behind a port. */
  readonly app: boolean
  /** Added, in place of the compute's headers of those names. */
  readonly headers: Readonly<Record<string, string>>
}

/** The sidekick's answer to the client, streamed. Errors: Refusal, while nothing was answered yet. */
export const passAnswer = async (
  request: IncomingMessage,
  response: ServerResponse,
  answer: IncomingMessage,
  rules: AnswerRules,
): Promise<void> => {
  const read = await refuseForSidekick(request, answer, rules.app)
  const kept = answerHeaders(answer.rawHeaders, { app: rules.app, upgrade: false })
  const own = Object.entries(rules.headers).flat()
  const status = answer.statusCode ?? 502
  // The phrase is ours: a sidekick's may hold bytes that Node refuses to write.
  response.writeHead(status, STATUS_CODES[status] ?? '', [
    ...withoutNames(kept, Object.keys(rules.headers)),
    ...own,
  ])
  // An event stream shows its beginning at once.
  response.flushHeaders()
  if (read === undefined) pipeline(answer, response, () => {})
  else response.end(read)
}

const withoutNames = (flat: readonly string[], names: readonly string[]): string[] => {
  const dropped = new Set(names)
  return flat.filter((_, index) => !dropped.has((flat[index & ~1] ?? '').toLowerCase()))
}

const MAX_FAILURE_BYTES = 2_048

/**
 * A failure of the sidekick itself that a person or our own ticket should not meet as JSON. Returns
 * the body when it had to be read and turned out to be the application's own.
 */
const refuseForSidekick = async (
  request: IncomingMessage,
  answer: IncomingMessage,
  app: boolean,
): Promise<Buffer | undefined> => {
  const { statusCode = 0, headers } = answer
  if (!app && statusCode === 401) throw movedOn(answer)
  const length = Number(headers['content-length'] ?? Number.POSITIVE_INFINITY)
  const failed = app && (statusCode === 502 || statusCode === 503) && isNavigation(request.headers)
  if (!failed || headers['content-type'] !== 'application/json' || length > MAX_FAILURE_BYTES)
    return undefined
  const body = await readAtMost(answer, MAX_FAILURE_BYTES)
  const code = failureCode(body)
  if (code === 'no_listener')
    throw new Refusal('PortClosed', 'Start the application in the compute, then load this page.')
  if (code === 'frozen' || code === 'not_open')
    throw new Refusal('SandboxGone', 'The compute is being saved; try again in a moment.')
  return body
}

/** Our own ticket was refused: another generation answers there by now. */
export const movedOn = (answer: IncomingMessage): Refusal => {
  answer.destroy()
  return new Refusal('SidekickUnreachable', 'The compute moved on; try again in a moment.')
}

const failureCode = (body: Buffer): unknown => {
  try {
    return (JSON.parse(body.toString()) as { code?: unknown } | null)?.code
  } catch {
    return undefined
  }
}
