import { Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import type { SidekickErrorCode } from '../../../sidekick/protocol.ts'
import { DormouseError, type FailureName } from '../../../workflows/errors.ts'

/** What each refusal of the sidekick means to the platform. */
const NAMES: Readonly<Partial<Record<SidekickErrorCode, FailureName>>> = {
  unauthorized: 'SandboxGone',
  forbidden: 'SaveFailed',
  not_claimed: 'SandboxGone',
  already_claimed: 'SandboxGone',
  stale_epoch: 'StaleEpoch',
  too_large: 'FilesystemTooLarge',
  no_space: 'SaveFailed',
  not_found: 'NotFound',
  invalid: 'Invalid',
  wrong_state: 'InvalidState',
  not_isolated: 'IsolationUnavailable',
}

/** An answer in JSON is a few hundred bytes; the one who answers may be taken over by its users. */
const LARGEST_ANSWER_BYTES = 1024 * 1024
/** What a piece costs in memory besides its bytes: a body may come in a million pieces of one byte. */
const PIECE_COST_BYTES = 128
/** From its head to its end. */
const ANSWER_WITHIN_MS = 10_000
/** Words of a refusal end up in events and in the workflow's history. */
const LONGEST_MESSAGE = 500
const LARGEST_DETAILS = 4096

/** The sidekick refused: `sidekickCode` in the details is its own word for why. */
export const readRefusal = async (answer: Dispatcher.ResponseData): Promise<DormouseError> =>
  refusal(answer.statusCode, await readText(answer))

const refusal = (status: number, text: string): DormouseError => {
  const body = parse(text)
  const code = typeof body?.code === 'string' ? (body.code as SidekickErrorCode) : undefined
  const known = code !== undefined && Object.hasOwn(NAMES, code)
  const name = (known ? NAMES[code] : undefined) ?? 'SidekickUnreachable'
  const message = String(body?.message ?? `status ${status}`).slice(0, LONGEST_MESSAGE)
  return new DormouseError(name, `sidekick: ${message}`, {
    ...shortDetails(body?.details),
    ...(code === undefined ? {} : { sidekickCode: code.slice(0, LONGEST_MESSAGE) }),
  })
}

const shortDetails = (details: unknown): Record<string, unknown> =>
  typeof details === 'object' &&
  details !== null &&
  JSON.stringify(details).length <= LARGEST_DETAILS
    ? { ...details }
    : {}

export const isRefusal = (error: unknown, code: SidekickErrorCode): error is DormouseError =>
  error instanceof DormouseError && error.details['sidekickCode'] === code

/** No answer at all: nothing is known about what the request did. */
export const unreachable = (error: unknown): DormouseError =>
  error instanceof DormouseError
    ? error
    : new DormouseError(
        'SidekickUnreachable',
        `the sidekick does not answer: ${error instanceof Error ? error.message : String(error)}`,
        {},
        error,
      )

export const readJson = async <T>(answer: Dispatcher.ResponseData): Promise<T> => {
  const text = await readText(answer)
  if (answer.statusCode >= 400) throw refusal(answer.statusCode, text)
  return (text === '' ? undefined : JSON.parse(text)) as T
}

/** The whole body, if it is small and comes soon; else the connection ends with it. */
const readText = async ({ body }: Dispatcher.ResponseData): Promise<string> => {
  const tooLong = new DormouseError(
    'SidekickUnreachable',
    'the sidekick’s answer is too large or takes too long',
  )
  const late = setTimeout(() => body.destroy(tooLong), ANSWER_WITHIN_MS)
  // Leaving the loop breaks the body off, which must not end the process.
  body.on('error', () => undefined)
  const chunks: Buffer[] = []
  let cost = 0
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      cost += chunk.length + PIECE_COST_BYTES
      if (cost > LARGEST_ANSWER_BYTES) throw tooLong
      chunks.push(chunk)
    }
  } finally {
    clearTimeout(late)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** The body as a stream whose breaking off has the platform's name. */
export const readStream = (answer: Dispatcher.ResponseData): Readable => {
  const stream = Readable.from(named(answer.body), { objectMode: false })
  // Breaking off before or after somebody reads must not end the process.
  return stream.on('error', () => undefined)
}

async function* named(body: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield* body
  } catch (error) {
    throw unreachable(error)
  }
}

const parse = (
  text: string,
): { code?: unknown; message?: unknown; details?: unknown } | undefined => {
  try {
    return (JSON.parse(text) ?? undefined) as { code?: unknown } | undefined
  } catch {
    return undefined
  }
}
