/**
 * Every failure that has a name. The name is Temporal's failure `type`, the API's problem `code`
 * and the reason an operator reads; docs/errors.md holds the same table in prose.
 * Terminal or retryable is decided here, where the error is named, and nowhere else.
 */
export const FAILURES = {
  InvalidState: { status: 409, retry: false, title: 'The compute is in a state that forbids this' },
  NotFound: { status: 404, retry: false, title: 'No such thing, or not yours' },
  Forbidden: { status: 403, retry: false, title: 'You may not do this' },
  Unauthenticated: { status: 401, retry: false, title: 'Log in first' },
  Invalid: { status: 422, retry: false, title: 'The request has a mistake' },
  IdempotencyConflict: {
    status: 422,
    retry: false,
    title: 'This Idempotency-Key named another request',
  },
  QuotaExceeded: { status: 429, retry: true, title: 'A quota is used up' },
  WrongHost: { status: 421, retry: false, title: 'This server does not answer to that name' },
  RateLimited: { status: 429, retry: true, title: 'Too many requests' },
  FilesystemBusy: { status: 409, retry: true, title: 'Another compute writes to this filesystem' },
  FilesystemTooLarge: {
    status: 409,
    retry: false,
    title: 'The filesystem is over the cap of its tier',
  },
  SnapshotCorrupt: { status: 409, retry: false, title: 'A snapshot failed its check' },
  StaleGeneration: {
    status: 409,
    retry: false,
    title: 'A newer generation of this compute exists',
  },
  StaleEpoch: { status: 409, retry: false, title: 'A newer writer owns this filesystem' },
  ImageNotFound: { status: 422, retry: false, title: 'No such image' },
  IsolationUnavailable: {
    status: 503,
    retry: true,
    title: 'The walls around a sandbox are not there',
  },
  ImagePullFailed: { status: 503, retry: true, title: 'The image could not be pulled' },
  NoNodeFits: { status: 503, retry: true, title: 'No node of the cluster has room' },
  OutOfMemory: { status: 503, retry: true, title: 'It took more memory than it may' },
  Evicted: { status: 503, retry: true, title: 'Its node threw it out' },
  NodeLost: { status: 503, retry: true, title: 'Its node is gone' },
  ProvisionFailed: { status: 503, retry: true, title: 'The sandbox did not start' },
  SandboxGone: { status: 503, retry: true, title: 'The sandbox is gone' },
  SidekickUnreachable: { status: 503, retry: true, title: 'The sidekick does not answer' },
  StoreUnavailable: { status: 503, retry: true, title: 'The object store does not answer' },
  SaveFailed: {
    status: 503,
    retry: true,
    title: 'The filesystem could not be saved; the compute stays up',
  },
  Unavailable: { status: 503, retry: true, title: 'A part of the platform does not answer' },
} as const

export type FailureName = keyof typeof FAILURES

export const isFailureName = (name: unknown): name is FailureName =>
  typeof name === 'string' && Object.hasOwn(FAILURES, name)

/**
 * An error with a name from the table. Outside workflow code only: the worker turns it into an
 * ApplicationFailure of the same `type`; the API turns it into problem+json.
 */
export class DormouseError extends Error {
  override readonly name: FailureName
  readonly details: Readonly<Record<string, unknown>>
  constructor(
    name: FailureName,
    message: string,
    details: Readonly<Record<string, unknown>> = {},
    cause?: unknown,
  ) {
    super(message, { cause })
    this.name = name
    this.details = details
  }
  get retryable(): boolean {
    return FAILURES[this.name].retry
  }
}
