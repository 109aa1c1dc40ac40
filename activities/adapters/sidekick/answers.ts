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

/** The sidekick refused: `sidekickCode` in the details is its own word for why. */
export const refusal = (status: number, text: string): DormouseError => {
  const body = parse(text)
  const code = body?.code as SidekickErrorCode | undefined
  const name = (code === undefined ? undefined : NAMES[code]) ?? 'SidekickUnreachable'
  return new DormouseError(name, `sidekick: ${body?.message ?? `status ${status}`}`, {
    ...(code === undefined ? {} : { sidekickCode: code }),
    ...body?.details,
  })
}

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
  const text = await answer.body.text()
  if (answer.statusCode >= 400) throw refusal(answer.statusCode, text)
  return (text === '' ? undefined : JSON.parse(text)) as T
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
): { code?: string; message?: string; details?: Record<string, unknown> } | undefined => {
  try {
    return JSON.parse(text) as { code?: string }
  } catch {
    return undefined
  }
}
