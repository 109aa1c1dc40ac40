/**
 * What activities need of the outside, each port as narrow as its use. Adapters live in
 * adapters/<system>; one contract suite per port runs over every adapter.
 */
import type { Readable } from 'node:stream'
import type { ActivityStatus, ClaimRequest, Hello, SaveSummary } from '../sidekick/protocol.ts'

/** Where a sidekick listens: a Unix socket (local) or host and port (kubernetes). Always TLS. */
export type SidekickAddress =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }

/** A claimed sidekick: TLS is accepted only with this SHA-256 certificate fingerprint (hex, lower case). */
export interface Endpoint {
  readonly address: SidekickAddress
  readonly fingerprint: string
}

export interface SandboxRef {
  readonly computeId: string
  readonly generation: number
}

export interface SandboxSpec extends SandboxRef {
  readonly groupId: string
  readonly image: { readonly name: string; readonly digest: string }
  readonly network: 'shared' | 'none'
  /** Limits; `requests` is what a scheduler sets aside, where there is one. */
  readonly cpuMillis: number
  readonly memoryBytes: number
  readonly pids: number
  /** Of the disk that home and /opt/env are on together, where it can have a size: see tree-room.ts. */
  readonly treeBytes: number
  readonly requests?: { readonly cpuMillis: number; readonly memoryBytes: number }
}

export interface Sandbox {
  readonly address: SidekickAddress
  /** `kept`: home and /opt/env were found as an earlier generation left them, complete and never published. */
  readonly tree: 'fresh' | 'kept'
  readonly limits: 'enforced' | 'watched'
}

/** Why a sandbox ended by itself or by others; `lost`: nobody knows. */
export type SandboxEnd = 'lost' | 'out_of_memory' | 'evicted' | 'node_lost'

export interface LiveSandbox extends SandboxRef {
  readonly groupId: string
  readonly createdAtMs: number
  readonly running: boolean
  /** Where it does not run and the runtime knows why. */
  readonly ended?: SandboxEnd
  /** When a process of it was last ended for using more memory than it may, where that is known. */
  readonly outOfMemoryAtMs?: number
}

/** What happened to a sandbox behind the platform's back, or is about to. */
export type SandboxSeen = SandboxRef &
  (
    | { readonly what: 'gone'; readonly why: SandboxEnd }
    | { readonly what: 'draining'; readonly why: 'drain' }
  )

/** Where sandboxes run. An error of the runtime is never absence: it throws. */
export interface Runtime {
  readonly name: string
  /** Why this runtime cannot be used here and the one command that mends it; null when it can. */
  unavailable(): Promise<string | null>
  /**
   * Each thing that keeps computes apart from what is not theirs, as it is now. Errors: Unavailable,
   * when that cannot be asked. Absent: `unavailable` says all there is to say.
   */
  walls?(): Promise<readonly Wall[]>
  /** Same compute and generation: the same sandbox, also when the first answer was lost. */
  ensure(spec: SandboxSpec): Promise<Sandbox>
  inspect(ref: SandboxRef): Promise<'live' | 'gone'>
  /** The tree holds everything a snapshot should hold (restored or new): keep it if the sandbox dies. */
  markTreeComplete(ref: SandboxRef): Promise<void>
  /** Ends the sandbox. Its tree goes too unless `keepTree`. Absent is fine; foreign generations are untouched. */
  stop(ref: SandboxRef, options: { keepTree: boolean }): Promise<void>
  /** Everything this platform ever started here and did not remove, trees without processes included. */
  list(): Promise<readonly LiveSandbox[]>
  /**
   * Of several processes that call it one at a time does `work`, until its signal, and the next one
   * after it. Absent: there never are several.
   */
  lead?(work: (signal: AbortSignal) => void): Leading
  /**
   * Where the world around tells: what is seen, at once and again as long as it lasts, until `signal`.
   * What the platform itself did is told too.
   */
  watch?(tell: (seen: SandboxSeen) => void, signal: AbortSignal): void
}

export interface Wall {
  /** `runtime-class`, `network-policy` …; docs/kubernetes.md has the list. */
  readonly part: string
  readonly holds: boolean
  /** Where it does not hold: why, and what mends it. */
  readonly reason?: string
}

/** `unknown`: whether another one leads could not be asked lately. */
export type Standing = 'leading' | 'standby' | 'unknown'

export interface Leading {
  standing(): Standing
  /** Gives way at once. */
  stop(): Promise<void>
}

/** The worker's half of sidekick/protocol.ts. Tickets are minted inside; errors are DormouseErrors. */
export interface SidekickControl {
  hello(address: SidekickAddress, deadlineMs: number): Promise<Hello & { fingerprint: string }>
  claim(endpoint: Endpoint, request: ClaimRequest): Promise<void>
  open(endpoint: Endpoint, target: SandboxRef): Promise<void>
  /** `dirty` may be a second old, unless it shall be `fresh`. */
  activity(
    endpoint: Endpoint,
    target: SandboxRef,
    options?: { readonly fresh?: boolean },
  ): Promise<ActivityStatus>
  notice(endpoint: Endpoint, target: SandboxRef, text: string): Promise<void>
  /** Refused with reason `active` (value, not error) when something was active within `onlyIfIdleForMs`. */
  freeze(
    endpoint: Endpoint,
    target: SandboxRef,
    request: { epoch: number; leaseMs: number; onlyIfIdleForMs?: number },
  ): Promise<{ frozen: true; freeze: Freeze } | { frozen: false; activity: string }>
  thaw(endpoint: Endpoint, target: SandboxRef, epoch: number): Promise<void>
  /** Streams a zstd tar; `kind` says whether it is whole or a delta to `baseSaveId`; summary after the stream ended. */
  archive(
    endpoint: Endpoint,
    target: SandboxRef,
    request: { saveId: string; baseSaveId: string | null; trees: readonly ('home' | 'env')[] },
    signal: AbortSignal,
  ): Promise<{ kind: 'full' | 'delta'; stream: Readable; summary(): Promise<SaveSummary> }>
  /** The save was published: later deltas are against it. */
  published(endpoint: Endpoint, target: SandboxRef, saveId: string): Promise<void>
  restorePart(
    endpoint: Endpoint,
    target: SandboxRef,
    part: { index: number; count: number; stream: Readable },
    signal: AbortSignal,
  ): Promise<{ entries: number }>
  /** All parts are in; the tree equals `saveId`, later deltas are against it. */
  restored(
    endpoint: Endpoint,
    target: SandboxRef,
    saveId: string | null,
  ): Promise<{ entries: number; sizeBytes: number }>
  /**
   * Closes terminals and sockets with 4410; after a published hibernation, before stop. SaveFailed once
   * that freeze is over: somebody may have written what was not saved.
   */
  retire(endpoint: Endpoint, target: SandboxRef, freeze: Freeze): Promise<void>
}

/** A freeze of a sidekick. */
export interface Freeze {
  /** Those of earlier versions do not number theirs. */
  readonly ordinal: number | undefined
  /** Until then (`performance.now()`) it lasts, unless it is thawed. */
  readonly untilMs: number
}

export interface StoredObject {
  readonly key: string
  readonly sizeBytes: number
  readonly modifiedAtMs: number
}

/** The S3 bucket. */
export interface ObjectStore {
  /**
   * Multipart upload of a stream of unknown length, part checksums confirmed by the store.
   * Resolves once the store reports the whole size; rejects and aborts the upload otherwise.
   */
  put(key: string, body: Readable, signal: AbortSignal): Promise<{ sizeBytes: number }>
  get(key: string, signal?: AbortSignal): Promise<Readable>
  head(key: string): Promise<StoredObject | undefined>
  delete(key: string): Promise<void>
  list(prefix: string): AsyncIterable<StoredObject>
  listUploads(
    prefix: string,
  ): Promise<readonly { key: string; uploadId: string; startedAtMs: number }[]>
  abortUpload(key: string, uploadId: string): Promise<void>
}
