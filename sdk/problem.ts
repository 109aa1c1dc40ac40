/** What the API, the gateway or a sidekick refused, in one shape. `status` 0: nothing answered at all. */
export class Problem extends Error {
  override readonly name = 'Problem'
  readonly status: number
  readonly code: string
  /** Path of the mistaken field, on 422. */
  readonly field: string | undefined
  readonly details: Readonly<Record<string, unknown>>
  constructor(problem: {
    status: number
    code: string
    message: string
    field?: string | undefined
    details?: Readonly<Record<string, unknown>>
    cause?: unknown
  }) {
    super(problem.message, { cause: problem.cause })
    this.status = problem.status
    this.code = problem.code
    this.field = problem.field
    this.details = problem.details ?? {}
  }
}

export const isProblem = (error: unknown): error is Problem => error instanceof Problem

/** Reads problem+json (API, gateway) or the sidekick's `{ code, message }`; anything else by its status. */
export const readProblem = async (response: Response): Promise<Problem> => {
  const body = await response
    .text()
    .then((text) => JSON.parse(text) as Record<string, unknown>)
    .catch(() => ({}) as Record<string, unknown>)
  const text = (key: string) => (typeof body[key] === 'string' ? (body[key] as string) : undefined)
  return new Problem({
    status: response.status,
    code: text('code') ?? `http_${response.status}`,
    message:
      text('detail') ??
      text('message') ??
      text('title') ??
      `${response.status} ${response.statusText} from ${new URL(response.url).host}`,
    field: text('field'),
    details: body,
  })
}

export const unreachable = (origin: string, cause: unknown): Problem =>
  new Problem({
    status: 0,
    code: 'unreachable',
    message: `${origin} does not answer`,
    cause,
  })
