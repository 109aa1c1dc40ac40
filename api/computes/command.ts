import { computeInput } from '../../records/computes.ts'
import type { ComputeRecord } from '../../records/compute-views.ts'
import { appendEvent } from '../../records/events.ts'
import type {
  Cause,
  CommandArgs,
  CommandName,
  CommandResults,
} from '../../workflows/compute/contract.ts'
import { DormouseError } from '../../workflows/errors.ts'
import type { AppDeps } from '../deps.ts'

type Deps = Pick<AppDeps, 'db' | 'doors' | 'timings'>

/**
 * Asks the compute's workflow. A refusal becomes the event `command.refused` before it reaches the
 * caller; that the platform did not answer is no refusal.
 */
export const sendCommand = async <Name extends CommandName>(
  deps: Deps,
  row: ComputeRecord,
  name: Name,
  args: CommandArgs[Name],
  waitS: number | undefined,
): Promise<{ result?: CommandResults[Name]; settled: boolean }> => {
  refuseWhenTerminated(row, name)
  try {
    const input = computeInput(row, deps.timings, args.cause, row.generation > 0)
    return await deps.doors.command(input, name, args, { waitMs: (waitS ?? 0) * 1000 })
  } catch (error) {
    if (error instanceof DormouseError && error.name !== 'Unavailable')
      await recordRefusal(deps, row, name, args.cause, error)
    throw error
  }
}

const refuseWhenTerminated = (row: ComputeRecord, name: CommandName): void => {
  if (row.state === 'terminated')
    throw new DormouseError(
      'InvalidState',
      `compute ${row.id} is terminated; it takes no ${name}`,
      {
        state: row.state,
      },
    )
}

const recordRefusal = (
  { db }: Deps,
  row: ComputeRecord,
  name: CommandName,
  cause: Cause,
  error: DormouseError,
): Promise<void> =>
  appendEvent(db, {
    groupId: row.group_id,
    computeId: row.id,
    generation: row.generation,
    type: 'command.refused',
    state: row.state,
    reason: cause.reason,
    actor: cause.actor,
    data: { command: name, code: error.name, message: error.message },
  })
