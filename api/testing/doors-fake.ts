import type { ComputeDoors } from '../../temporal/doors.ts'
import type { Db } from '../../records/database.ts'
import { transition } from '../../records/computes.ts'
import type {
  CommandName,
  ComputeInput,
  ComputeState,
  ComputeView,
} from '../../workflows/compute/contract.ts'
import type { DormouseError } from '../../workflows/errors.ts'

export interface DoorsFake extends Pick<ComputeDoors, 'create' | 'command' | 'refresh'> {
  readonly created: ComputeInput[]
  readonly commands: { computeId: string; name: CommandName; args: unknown }[]
  /** Computes whose workflow was told to look at its row; also while `fail` is set. */
  readonly refreshed: string[]
  /** While set, every other call fails with it. */
  fail?: DormouseError | undefined
}

const RESULT: Partial<Record<CommandName, ComputeState>> = {
  hibernate: 'hibernated',
  wake: 'running',
  retry: 'running',
  delete: 'terminated',
}

/** Stands for Temporal where Temporal is not the point: every command succeeds at once, on the row. */
export const fakeDoors = (db: Db): DoorsFake => {
  const move = async (input: ComputeInput, to: ComputeState | undefined): Promise<ComputeView> => {
    const row = await db
      .selectFrom('computes')
      .selectAll()
      .where('id', '=', input.computeId)
      .executeTakeFirstOrThrow()
    const moved =
      to === undefined
        ? row
        : await transition(db, {
            computeId: row.id,
            generation: row.generation,
            to,
            cause: input.cause,
          })
    return {
      computeId: row.id,
      state: moved.state,
      generation: moved.generation,
      since: moved.state_since.toISOString(),
      cause: input.cause,
      idleTimeoutMs: Number(moved.idle_timeout_ms),
    }
  }
  const doors: DoorsFake = {
    created: [],
    commands: [],
    refreshed: [],
    async create(input) {
      if (doors.fail !== undefined) throw doors.fail
      doors.created.push(input)
      return { view: await move(input, 'running'), settled: true }
    },
    async command(input, name, args) {
      if (doors.fail !== undefined) throw doors.fail
      doors.commands.push({ computeId: input.computeId, name, args })
      const view = await move({ ...input, cause: args.cause }, RESULT[name])
      const result =
        name === 'checkpoint'
          ? { snapshotId: 'sfake' }
          : name === 'commit'
            ? { imageId: (args as { imageId: string }).imageId, digest: 'sha256:fake' }
            : view
      return { result: result as never, settled: true }
    },
    async refresh(computeId) {
      doors.refreshed.push(computeId)
    },
  }
  return doors
}
