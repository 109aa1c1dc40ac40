/**
 * What the workflows may ask of the world. Workflows import only these types; activities implement
 * them. Every activity may run twice and have one effect: the compute's generation and the
 * filesystem's epoch fence each write, so a late attempt of an older generation is refused with
 * StaleGeneration or StaleEpoch (not retryable).
 *
 * Task queues: ControlActivities on `control` (short), DataActivities on `data` (bytes; heartbeats).
 */
import type {
  Cause,
  ComputeProblem,
  ComputeState,
  PowerSchedule,
} from '../workflows/compute/contract.ts'

export interface Target {
  readonly computeId: string
  readonly generation: number
}

export interface Provisioned {
  /** `running` when nothing had to be restored and users may come in; else `restoring`. */
  readonly state: 'running' | 'restoring'
  readonly filesystemId: string
  readonly epoch: number
  /** Snapshot to restore before users come in; null: none (new, or the tree on disk was kept). */
  readonly snapshotId: string | null
  /** The tree found on disk was newer than any snapshot and was kept; it must be saved soon. */
  readonly keptTree: boolean
}

export interface ActivityReport {
  /** Milliseconds since the last activity; 0 while something is active. */
  readonly idleForMs: number
  /** Why it is up, e.g. `command:3 npm test`, `terminal:main`, `cpu:1234 python`; null when idle. */
  readonly reason: string | null
  /** Whether the tree changed since the last published save. */
  readonly dirty: boolean
}

export type SaveMode =
  /** Live, compute goes on. */
  | 'checkpoint'
  /** Live, then freeze, delta, verify, publish; then the sandbox is stopped, if that is done at once. */
  | 'hibernate'
  /** As hibernate, but left frozen for `release`; used by delete. */
  | 'final'

export interface SaveInput extends Target {
  readonly mode: SaveMode
  readonly cause: Cause
  /** The freeze is refused when something was active within that time; absent: it is not asked. */
  readonly onlyIfIdleForMs?: number
}

/** `stopped`: the sandbox was stopped too and `hibernated` recorded; otherwise that is still to do. */
export type SaveOutcome =
  | {
      readonly kind: 'published'
      readonly snapshotId: string
      /** Entries and bytes of the whole tree, and bytes uploaded by this save. */
      readonly entries: number
      readonly sizeBytes: number
      readonly uploadedBytes: number
      readonly stopped?: boolean
    }
  /** Nothing changed since `snapshotId` was published. */
  | { readonly kind: 'clean'; readonly snapshotId: string | null; readonly stopped?: boolean }
  /** An automatic hibernation met activity; everything goes on. */
  | { readonly kind: 'called_off'; readonly activity: string }
  /** A newer writer owns the filesystem: what was saved is kept as this fork. */
  | {
      readonly kind: 'forked'
      readonly filesystemId: string
      readonly snapshotId: string
      readonly stopped?: boolean
    }

/** What the row, the store and the runtime say about a compute whose workflow knows nothing. */
export interface Recollection {
  readonly state: ComputeState
  readonly generation: number
  readonly sandbox: 'live' | 'gone'
  readonly since: string
  readonly cause: Cause
  readonly problem?: ComputeProblem
  readonly deleteRequested?: { readonly purge: boolean }
  /** When the lifetime of this generation ends, as a user may have moved it; null: never. Workers before did not say. */
  readonly lifetimeEndsAt?: string | null
}

export interface ControlActivities {
  /**
   * Takes generation `generation` (compare-and-set on the row), the filesystem's lease and epoch,
   * starts the sandbox, claims its sidekick, records the endpoint. Records `as` first and
   * `running` or `restoring` last. Same generation again: the same sandbox.
   * Errors: StaleGeneration, FilesystemBusy, ImageNotFound, IsolationUnavailable, ProvisionFailed (retryable).
   */
  provision(input: Target & { as: 'provisioning' | 'waking'; cause: Cause }): Promise<Provisioned>
  /**
   * Stops and removes the sandbox of that generation, and its tree on disk unless `keepTree`;
   * releases the lease; records `to` (with `problem`, if any). Absent is fine. `to: null` records nothing.
   */
  stop(
    input: Target & {
      to: ComputeState | null
      cause: Cause
      keepTree: boolean
      problem?: ComputeProblem
      /** Event data, e.g. the window of possible loss `{ lossSince }`. */
      detail?: Record<string, unknown>
    },
  ): Promise<void>
  /**
   * Records a transition, or only an event when `to` equals the row's state. Compare-and-set on
   * generation. `disposable`: nothing of it would outlive its deletion, so nothing has to be saved.
   */
  record(
    input: Target & {
      to: ComputeState
      cause: Cause
      problem?: ComputeProblem
      detail?: Record<string, unknown>
    },
  ): Promise<{ readonly disposable: boolean }>
  /** Appends an event without changing the state, e.g. `announced`, `extended`, `save_failed`, `commit_failed`. */
  note(
    input: Target & { type: string; cause: Cause; detail: Record<string, unknown> },
  ): Promise<void>
  /** Asks the sidekick. Errors: SandboxGone, SidekickUnreachable (retryable). */
  probe(input: Target): Promise<ActivityReport>
  /** Tells the terminals of the compute that it will end in `inMs`, and appends the event. */
  announce(input: Target & { reason: 'lifetime' | 'schedule'; inMs: number }): Promise<void>
  recall(input: { computeId: string }): Promise<Recollection>
  /** Last step of delete: sandbox and tree stopped if still there, filesystem to trash or purged, rows closed, schedule removed; records `terminated`. */
  release(input: Target & { cause: Cause; purge: boolean; unsaved: boolean }): Promise<void>
  /** `cause`: who asked, for the event; workers of an earlier version do not say. */
  applySchedule(input: {
    computeId: string
    schedule: PowerSchedule | null
    cause?: Cause
  }): Promise<void>
  /** One pass over every kind of orphan in activities/orphans.ts. */
  sweep(input: { graceMs: number }): Promise<Record<string, number>>
  /** Asks the compute's workflow to be what its schedule says at `scheduledAt`. */
  convergeToSchedule(input: { computeId: string; scheduledAt: string }): Promise<void>
}

export interface DataActivities {
  /**
   * The one save path. On any failure everything is thawed. Errors: SaveFailed, StoreUnavailable,
   * SidekickUnreachable (retryable), FilesystemTooLarge, StaleGeneration, SandboxGone.
   */
  save(input: SaveInput): Promise<SaveOutcome>
  /** Feeds the image's layer and the snapshot's parts to the sidekick, opens it to users, records `running`. */
  restore(
    input: Target & { snapshotId: string | null; cause: Cause },
  ): Promise<{ entries: number; sizeBytes: number }>
  commitImage(input: Target & { imageId: string; cause: Cause }): Promise<{ digest: string }>
}
