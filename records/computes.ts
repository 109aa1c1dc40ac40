import type { Selectable } from 'kysely'
import { DormouseError } from '../workflows/errors.ts'
import type {
  Cause,
  ComputeProblem,
  ComputeState,
  ComputeInput,
  Timings,
} from '../workflows/compute/contract.ts'
import type { Db, Queryable } from './database.ts'
import { appendEvent } from './events.ts'
import { failPendingImagesOf } from './images.ts'
import type { ComputesTable } from './schema.ts'
import { mayFollow } from './state-moves.ts'

export type ComputeRow = Selectable<ComputesTable>

export const findCompute = (db: Queryable, id: string): Promise<ComputeRow | undefined> =>
  db.selectFrom('computes').selectAll().where('id', '=', id).executeTakeFirst()

export const requireCompute = async (db: Queryable, id: string): Promise<ComputeRow> => {
  const row = await findCompute(db, id)
  if (row === undefined) throw new DormouseError('NotFound', `compute ${id} does not exist`)
  return row
}

/**
 * Moves the row to `to` and appends the event, in one transaction, if the row's generation is the
 * writer's (StaleGeneration otherwise) and its state one from which `to` can be reached (InvalidState
 * otherwise): an attempt that is late must not write what is long past. The same transition again is
 * no second event. A start that is tried again keeps the trouble it last met, until it is up.
 */
export const transition = (
  db: Db,
  change: {
    readonly computeId: string
    readonly generation: number
    readonly to: ComputeState
    readonly cause: Cause
    readonly problem?: ComputeProblem
    readonly detail?: Readonly<Record<string, unknown>>
  },
): Promise<ComputeRow> => db.transaction().execute((tx) => transitionIn(tx, change))

type Transition = Omit<Parameters<typeof transition>[1], 'computeId'>

export const transitionIn = async (
  tx: Queryable,
  { computeId, ...change }: Parameters<typeof transition>[1],
): Promise<ComputeRow> => transitionOf(tx, await lockCompute(tx, computeId), change)

/** `transition` of a row that this transaction holds locked, as it stands by now. */
export const transitionOf = async (
  tx: Queryable,
  row: ComputeRow,
  change: Transition,
): Promise<ComputeRow> => {
  if (row.generation !== change.generation)
    throw new DormouseError(
      'StaleGeneration',
      `compute ${row.id} is at generation ${row.generation}, not ${change.generation}`,
      { generation: row.generation },
    )
  if (row.state === 'terminated') return row
  // Before the first generation nothing was started that could be late.
  if (row.generation > 0 && !mayFollow(row.state, change.to))
    throw new DormouseError(
      'InvalidState',
      `compute ${row.id} is ${row.state} and cannot become ${change.to}`,
      { state: row.state },
    )
  const isStillStarting = STARTING.includes(row.state) && STARTING.includes(change.to)
  const problem = change.problem ?? (isStillStarting ? row.problem : null)
  const repeated =
    row.state === change.to &&
    row.reason === change.cause.reason &&
    row.actor === change.cause.actor &&
    JSON.stringify(row.problem) === JSON.stringify(problem)
  if (repeated) return row
  const updated = await tx
    .updateTable('computes')
    .set({
      state: change.to,
      reason: change.cause.reason,
      actor: change.cause.actor,
      problem: problem === null ? null : JSON.stringify(problem),
      state_since: new Date(),
      ...(change.to === 'terminated' ? { terminated_at: new Date(), env_sealed: null } : {}),
    })
    .where('id', '=', row.id)
    .returningAll()
    .executeTakeFirstOrThrow()
  const message = COMMITS_NOTHING[change.to]
  if (message !== undefined) {
    const at = new Date().toISOString()
    await failPendingImagesOf(tx, row.id, { code: 'InvalidState', message, retryable: false, at })
  }
  await appendEvent(tx, {
    groupId: row.group_id,
    computeId: row.id,
    generation: row.generation,
    type: `compute.${change.to}`,
    state: change.to,
    reason: change.cause.reason,
    actor: change.cause.actor,
    data: {
      ...change.detail,
      ...(change.problem === undefined ? {} : { problem: change.problem }),
    },
  })
  return updated
}

const DELETED = 'the compute was deleted before this image was made'
/** Where every commit under way or queued is given up, and what its image says then. */
const COMMITS_NOTHING: Partial<Record<ComputeState, string>> = {
  failed: 'the compute failed before this image was made; retry it and commit again',
  terminating: DELETED,
  terminated: DELETED,
}

const STARTING: readonly ComputeState[] = ['provisioning', 'waking', 'restoring']

/** Row lock: whatever follows in this transaction is one step of this compute. */
export const lockCompute = async (tx: Queryable, id: string): Promise<ComputeRow> => {
  const row = await tx
    .selectFrom('computes')
    .selectAll()
    .where('id', '=', id)
    .forUpdate()
    .executeTakeFirst()
  if (row === undefined) throw new DormouseError('NotFound', `compute ${id} does not exist`)
  return row
}

/** The start argument of this compute's workflow, always made from its row. */
export const computeInput = (
  row: ComputeRow,
  timings: Timings,
  cause: Cause,
  recover: boolean,
): ComputeInput => ({
  computeId: row.id,
  groupId: row.group_id,
  ownerId: row.owner_id,
  image: row.image_id,
  runtime: row.runtime,
  timings: {
    ...timings,
    idleTimeoutMs: Number(row.idle_timeout_ms),
    maxLifetimeMs: Number(row.max_lifetime_ms),
  },
  cause,
  ...(recover ? { recover: true } : {}),
})
