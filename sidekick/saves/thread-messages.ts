import type { SidekickErrorCode } from '../protocol.ts'
import type { ArchiveJob } from './archive.ts'
import type { DirtyJob, DirtyReport } from './dirty.ts'
import type { RestoreJob } from './restore.ts'
import type { SavedIndex } from './saved-index.ts'
import type { ScanOptions } from './scan.ts'

/** One task at a time; what is here is all that crosses between the sidekick and its save thread. */
export type Task =
  | { readonly kind: 'archive'; readonly job: ArchiveJob }
  | { readonly kind: 'restore'; readonly job: RestoreJob }
  | { readonly kind: 'scan'; readonly job: ScanOptions }
  | { readonly kind: 'dirty'; readonly job: DirtyJob }

export interface ArchiveReport {
  readonly index: SavedIndex
  readonly entries: number
  readonly bytes: number
  readonly sha256: string
}

export interface TaskResults {
  readonly archive: ArchiveReport
  readonly restore: number
  readonly scan: SavedIndex
  readonly dirty: DirtyReport
}

export interface TaskError {
  readonly code?: SidekickErrorCode
  readonly errno: string
  readonly message: string
  readonly details?: Readonly<Record<string, unknown>> | undefined
}

export type ToThread =
  | { readonly type: 'task'; readonly task: Task }
  | { readonly type: 'chunk'; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly type: 'end' }
  | { readonly type: 'taken' }

export type FromThread =
  | { readonly type: 'begin'; readonly kind: 'full' | 'delta' }
  | { readonly type: 'chunk'; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly type: 'taken' }
  | { readonly type: 'done'; readonly result: TaskResults[keyof TaskResults] }
  | { readonly type: 'failed'; readonly error: TaskError }
