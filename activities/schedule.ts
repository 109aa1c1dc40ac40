import { isDeepStrictEqual } from 'node:util'
import { sql } from 'kysely'
import { computeInput, findCompute, lockCompute, type ComputeRow } from '../records/computes.ts'
import type { Db } from '../records/database.ts'
import { appendEvent } from '../records/events.ts'
import { createUpQuota } from '../records/up-quota.ts'
import type { Cause } from '../workflows/compute/contract.ts'
import { DormouseError } from '../workflows/errors.ts'
import { desiredPower } from '../workflows/schedule-tick/desired.ts'
import type { ControlActivities } from './contract.ts'
import type { ControlDeps } from './control-deps.ts'

const BY_SCHEDULE: Cause = { reason: 'schedule', actor: 'system:schedule' }

/** The row first, with an event if it changes: it is what a lost schedule is made again from. */
export const createApplySchedule =
  ({ db, schedules }: Pick<ControlDeps, 'db' | 'schedules'>): ControlActivities['applySchedule'] =>
  async ({ computeId, schedule, cause }) => {
    await db.transaction().execute(async (tx) => {
      const { group_id: groupId, generation, schedule: before } = await lockCompute(tx, computeId)
      if (isDeepStrictEqual(before, schedule)) return
      await tx
        .updateTable('computes')
        .set({ schedule: schedule === null ? null : JSON.stringify(schedule) })
        .where('id', '=', computeId)
        .execute()
      if (cause === undefined) return
      const data = { schedule }
      await appendEvent(tx, { groupId, computeId, generation, type: SCHEDULED, ...cause, data })
    })
    if (schedule === null) await schedules.remove(computeId)
    else await schedules.put(computeId, schedule)
  }

/**
 * Level-triggered: what the plan says for that moment, however many lines were missed. A compute that would
 * be one too many of its owner's stays asleep and says so; the next line that wants it up asks again.
 */
export const createConvergeToSchedule = ({
  db,
  doors,
  timings,
  computesUpPerUser,
}: Pick<
  ControlDeps,
  'db' | 'doors' | 'timings' | 'computesUpPerUser'
>): ControlActivities['convergeToSchedule'] => {
  const upQuota = createUpQuota(db, computesUpPerUser)
  return async ({ computeId, scheduledAt }) => {
    const row = await findCompute(db, computeId)
    if (row === undefined || row.state === 'terminated' || row.schedule === null) return
    const desired = desiredPower(row.schedule, new Date(scheduledAt))
    if (desired === undefined) return
    const name = desired === 'running' ? 'wake' : 'hibernate'
    const input = computeInput(row, timings, BY_SCHEDULE, true)
    const updateId = `schedule-${scheduledAt}`
    if (name === 'wake') {
      const refusal = await upQuota.takePlace(row).then(() => undefined, asRefusal)
      if (refusal !== undefined) return tellRefused(db, row, scheduledAt, refusal)
    }
    await doors.command(input, name, { cause: BY_SCHEDULE }, { waitMs: 0, updateId })
  }
}

const asRefusal = (error: unknown): DormouseError => {
  if (error instanceof DormouseError && error.name === 'QuotaExceeded') return error
  throw error
}

const SCHEDULED = 'compute.scheduled'
const REFUSED = 'compute.wake_refused'

/** Once for each moment, however often it is tried. */
const tellRefused = (
  db: Db,
  { id: computeId, generation }: ComputeRow,
  scheduledAt: string,
  { message, details }: DormouseError,
): Promise<void> =>
  db.transaction().execute(async (tx) => {
    const { group_id: groupId } = await lockCompute(tx, computeId)
    const told = await tx
      .selectFrom('events')
      .select('seq')
      .where('compute_id', '=', computeId)
      .where('type', '=', REFUSED)
      .where(sql<boolean>`data->>'scheduledAt' = ${scheduledAt}`)
      .limit(1)
      .executeTakeFirst()
    if (told !== undefined) return
    const data = { message, ...details, scheduledAt }
    await appendEvent(tx, { groupId, computeId, generation, type: REFUSED, ...BY_SCHEDULE, data })
  })
