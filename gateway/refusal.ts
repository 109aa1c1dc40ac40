import { DormouseError, FAILURES, type FailureName } from '../workflows/errors.ts'

/** Answers only a gateway gives, beside the table of workflows/errors.ts. */
const OWN = {
  BadRequest: { status: 400, title: 'The request is not well-formed HTTP for this gateway' },
  HeadersTooLarge: { status: 431, title: 'The request has too many headers' },
  UpgradeRequired: { status: 426, title: 'This address takes WebSockets only' },
  Gone: { status: 410, title: 'The compute was deleted' },
  PortClosed: { status: 502, title: 'Nothing listens on this port' },
} as const
export type RefusalCode = FailureName | keyof typeof OWN

/** A request that goes no further: status and code from the tables, a sentence, and facts for programs. */
export class Refusal extends Error {
  readonly code: RefusalCode
  readonly facts: Readonly<Record<string, unknown>>
  readonly headers: Readonly<Record<string, string>>
  constructor(
    code: RefusalCode,
    message: string,
    facts: Readonly<Record<string, unknown>> = {},
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(message)
    this.code = code
    this.facts = facts
    this.headers = headers
  }
  get status(): number {
    return entry(this.code).status
  }
  get title(): string {
    return entry(this.code).title
  }
  get retryable(): boolean {
    return this.code in FAILURES && FAILURES[this.code as FailureName].retry
  }
}

/** Anything thrown, as an answer that tells nothing of our insides. */
export const toRefusal = (error: unknown): Refusal => {
  if (error instanceof Refusal) return error
  if (error instanceof DormouseError) return new Refusal(error.name, error.message)
  return new Refusal(
    'Unavailable',
    'A part of the platform does not answer; try again in a moment.',
  )
}

/** Logs what is a mistake of ours, by path alone: the query is where tickets are. */
export const report = (
  error: unknown,
  url: string | undefined,
  log: (message: string, facts: Readonly<Record<string, unknown>>) => void,
): void => {
  if (error instanceof Refusal || error instanceof DormouseError || isGone(error)) return
  const said = error instanceof Error ? (error.stack ?? error.message) : String(error)
  log('request failed', { error: said, path: url?.split('?', 1)[0] })
}

/** The client left before it was answered. */
const isGone = (error: unknown): boolean => (error as Error | null)?.name === 'AbortError'

const entry = (code: RefusalCode): { status: number; title: string } =>
  code in OWN ? OWN[code as keyof typeof OWN] : FAILURES[code as FailureName]
