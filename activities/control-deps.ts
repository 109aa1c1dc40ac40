import type { Sealer } from '../auth/seal.ts'
import type { Db } from '../records/database.ts'
import type { ClaimRequest } from '../sidekick/protocol.ts'
import type {
  ComputeInput,
  CommandArgs,
  Observation,
  PowerSchedule,
  Timings,
} from '../workflows/compute/contract.ts'
import type { ObjectStore, Runtime, SidekickControl } from './ports.ts'

/** What activities ask of computes' workflows; temporal/doors.ts is the adapter. */
export interface WorkflowDoors {
  /** Sends a command without waiting for its result. */
  command(
    input: ComputeInput,
    name: 'hibernate' | 'wake',
    args: CommandArgs['hibernate' | 'wake'],
    options: { waitMs: number; updateId?: string },
  ): Promise<unknown>
  observed(computeId: string, observation: Observation): Promise<void>
  refresh(computeId: string): Promise<void>
  adopt(input: ComputeInput): Promise<'adopted' | 'already_running'>
  /** Ids of computes that have an open workflow, perhaps a few seconds late. */
  openComputes(): AsyncIterable<string>
}

/** Temporal schedules, one per compute that has a plan. */
export interface PowerSchedules {
  put(computeId: string, schedule: PowerSchedule): Promise<void>
  remove(computeId: string): Promise<void>
  /** Computes that have one. */
  list(): AsyncIterable<string>
}

export interface ControlDeps {
  readonly db: Db
  readonly runtime: Runtime
  readonly sidekick: SidekickControl
  readonly store: ObjectStore
  readonly sealer: Sealer
  /** Public keys that verify tickets: the current one and the previous. */
  readonly ticketKeys: ClaimRequest['ticketKeys']
  readonly doors: WorkflowDoors
  readonly schedules: PowerSchedules
  readonly timings: Timings
  readonly computesUpPerUser: number
}
