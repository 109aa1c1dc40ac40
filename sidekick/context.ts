import type { Activity } from './activity/activity.ts'
import type { Life } from './life.ts'
import type { Processes } from './processes.ts'
import type { WriteGate } from './write-gate.ts'

export type RestoreState = 'none' | 'unfinished' | 'whole'

/** What every part of the sidekick shares; made once in main.ts. */
export interface SidekickContext {
  /** The durable trees, as absolute paths inside the compute. */
  readonly trees: { readonly home: string; readonly env: string }
  readonly scratch: string
  /** State machine and claim (`life.claim?.epoch`, `.caps`); `life.to('frozen')` throws wrong_state. */
  readonly life: Life
  /** Before a freeze: `activity.idleForMs()` and `life.to('frozen')` in one synchronous step. */
  readonly activity: Activity
  /** After `life.to('frozen')`: await `gate.quiet()`, and no write of the sidekick is under way. */
  readonly gate: WriteGate
  /** User processes to stop and continue; the sidekick, its ancestors and pid 1 are never in it. */
  readonly processes: Processes
  /** Closes every WebSocket with that code (CLOSE_HIBERNATED, CLOSE_RESTARTING). */
  closeSockets(code: number, reason: string): void
  /** How far a restore is; the saves part replaces it. */
  restoring: () => RestoreState
  /**
   * Whether the trees changed since the last published save; `isFresh`: as of now, not of the last
   * second. The saves part replaces it.
   */
  dirty: (isFresh: boolean) => boolean | Promise<boolean>
}
