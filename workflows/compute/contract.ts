/**
 * The language of one compute: its states, the messages its workflow takes, what they answer.
 * Everything here is plain JSON; nothing here knows Temporal, a clock or a cluster.
 */

export const COMPUTE_STATES = [
  'requested',
  'provisioning',
  'restoring',
  'running',
  'hibernating',
  'hibernated',
  'waking',
  'terminating',
  'terminated',
  'failed',
] as const
export type ComputeState = (typeof COMPUTE_STATES)[number]

/** Why a transition happened. Closed list: it is a search attribute, an event field and an answer of "why". */
export const REASONS = [
  'created',
  'user', // a person or program asked
  'traffic', // the gateway woke it for a request with intent
  'idle',
  'schedule',
  'lifetime',
  'drain', // its node or the platform is going away
  'operator', // cancelled in the Temporal UI
  'lost', // the sandbox vanished; restored from the last checkpoint
  'out_of_memory',
  'evicted',
  'node_lost', // its node was not heard of any more; restored from the last checkpoint
  'recovered', // the workflow was gone and was adopted again
  'called_off', // an automatic hibernation met activity, or the idle timer was turned off
  'save_failed',
  'provision_failed',
  'restore_failed',
  'deleted',
] as const
export type Reason = (typeof REASONS)[number]

/** Who did it: `user:<id>`, `key:<id>`, `system:idle-timer`, `system:janitor`, `operator`. Never a credential. */
export type Actor = string

export interface Cause {
  readonly reason: Reason
  readonly actor: Actor
}

/** Named reason of the last failure, safe to show to the user. */
export interface ComputeProblem {
  readonly code: string
  readonly message: string
  readonly retryable: boolean
  readonly at: string
}

/** Every duration the workflow waits for; given in the input so that tests run on short ones. */
export interface Timings {
  /** No activity for this long: hibernate. 0 turns the idle timer off. */
  readonly idleTimeoutMs: number
  /** Longest time up in one generation; 0 is off. Announced `announceMs` before. */
  readonly maxLifetimeMs: number
  readonly checkpointEveryMs: number
  /** Provisioning is retried with back-off for this long before `failed`. */
  readonly provisionRetryForMs: number
  /** Moments before an announced end, largest first. */
  readonly announceMs: readonly number[]
  /** Delete tries to save for at most this long, and waits before as long for a save that is under way. */
  readonly deleteSaveForMs: number
  /** First wait after an automatic hibernation was called off or a save failed; doubles up to 8 times it. */
  readonly backOffMs: number
}

export const DEFAULT_TIMINGS: Timings = {
  idleTimeoutMs: 30 * 60_000,
  maxLifetimeMs: 0,
  checkpointEveryMs: 10 * 60_000,
  provisionRetryForMs: 5 * 60_000,
  announceMs: [10 * 60_000, 60_000],
  deleteSaveForMs: 60_000,
  backOffMs: 30_000,
}

/** Cron lines with an IANA zone; level-triggered: the latest line that has passed says what the compute should be. */
export interface PowerSchedule {
  readonly timezone: string
  readonly hibernate: readonly string[]
  readonly wake: readonly string[]
}

/** Start argument of the workflow. Same id, same compute: workflow id = `compute-<computeId>`. */
export interface ComputeInput {
  readonly computeId: string
  readonly groupId: string
  readonly ownerId: string
  readonly image: string
  readonly runtime: string
  readonly timings: Timings
  readonly cause: Cause
  /** Adopt what the row and the live sandbox say instead of starting fresh. */
  readonly recover?: boolean
  /** Set only by continue-as-new. */
  readonly memory?: ComputeMemory
}

/** What outlives continue-as-new. */
export interface ComputeMemory {
  readonly state: ComputeState
  readonly generation: number
  readonly since: string
  readonly cause: Cause
  readonly problem?: ComputeProblem
  readonly idleTimeoutMs: number
  readonly callOffs: number
  readonly saveFailures: number
  /** Sandboxes lost in a row, each soon after its start. */
  readonly losses: number
  readonly lastCheckpointAt?: string
  /** The sandbox or its kept tree may hold writes that no snapshot has. */
  readonly unsaved: boolean
  readonly clock?: Clock
  /** Wishes that arrived and were not yet served. */
  readonly wishes: readonly Wish[]
}

/** What the running plot waits for, in epoch milliseconds; present from `running` until it stops. */
export interface Clock {
  readonly upSinceMs: number
  readonly idleCheckAtMs?: number
  readonly checkpointAtMs?: number
  readonly endsAtMs?: number
  /** Why it will end then; a lifetime unless a schedule asked while it was in use. */
  readonly endCause?: Cause
  /** Announcements of that end that were made, as moments before it. */
  readonly announcedMs: readonly number[]
  /** A hibernation that was asked for and could not be saved is tried again then. */
  readonly retry?: {
    readonly atMs: number
    readonly cause: Cause
    /** What is in use then is told of its end first. */
    readonly unannounced?: boolean
  }
}

export type Wish =
  | { readonly kind: 'hibernate'; readonly cause: Cause; readonly automatic: boolean }
  | { readonly kind: 'wake'; readonly cause: Cause }
  | { readonly kind: 'delete'; readonly cause: Cause; readonly purge: boolean }
  | { readonly kind: 'retry'; readonly cause: Cause }
  | { readonly kind: 'checkpoint'; readonly cause: Cause }
  | { readonly kind: 'commit'; readonly cause: Cause; readonly imageId: string }
  | { readonly kind: 'lost'; readonly cause: Cause; readonly generation: number }

/** What every command answers and the status query shows. */
export interface ComputeView {
  readonly computeId: string
  readonly state: ComputeState
  readonly generation: number
  readonly since: string
  readonly cause: Cause
  readonly problem?: ComputeProblem
  readonly lifetimeEndsAt?: string
  readonly idleTimeoutMs: number
}

export const COMMANDS = [
  'hibernate',
  'wake',
  'delete',
  'extend',
  'commit',
  'checkpoint',
  'schedule',
  'retry',
] as const
export type CommandName = (typeof COMMANDS)[number]

/** Arguments of each update. Updates are idempotent: asked for the state it is in, a compute just answers. */
export interface CommandArgs {
  readonly hibernate: { readonly cause: Cause }
  readonly wake: { readonly cause: Cause }
  readonly delete: { readonly cause: Cause; readonly purge: boolean }
  /** `lifetimeMs`: end the lifetime that long from now (0: never). `idleTimeoutMs`: new idle timeout. */
  readonly extend: {
    readonly cause: Cause
    readonly lifetimeMs?: number
    readonly idleTimeoutMs?: number
  }
  /** Turns installed packages (/opt/env) into image `imageId`, whose row exists in state `pending`. */
  readonly commit: { readonly cause: Cause; readonly imageId: string }
  readonly checkpoint: { readonly cause: Cause }
  readonly schedule: { readonly cause: Cause; readonly schedule: PowerSchedule | null }
  readonly retry: { readonly cause: Cause }
}

export interface CommandResults {
  readonly hibernate: ComputeView
  readonly wake: ComputeView
  readonly delete: ComputeView
  readonly extend: ComputeView
  readonly commit: { readonly imageId: string; readonly digest: string }
  readonly checkpoint: { readonly snapshotId: string }
  readonly schedule: ComputeView
  readonly retry: ComputeView
}

/** Update `settled`: waits until the compute rests in running, hibernated, failed or terminated. Create waits on it. */
export const SETTLED_UPDATE = 'settled'
/** Query `view` → ComputeView. */
export const VIEW_QUERY = 'view'
/** Signal `observed`: something outside saw the sandbox of that generation die or its node drain. */
export const OBSERVED_SIGNAL = 'observed'
/** Signal `refresh`: compare with the row and the sandbox again, then continue as new on today's code. */
export const REFRESH_SIGNAL = 'refresh'
export interface Observation {
  readonly generation: number
  readonly what: 'gone' | 'draining'
  readonly reason: Extract<Reason, 'lost' | 'out_of_memory' | 'evicted' | 'node_lost' | 'drain'>
}

export const computeWorkflowId = (computeId: string): string => `compute-${computeId}`
