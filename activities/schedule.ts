import { computeInput, findCompute, requireCompute } from '../records/computes.ts'
import type { Cause } from '../workflows/compute/contract.ts'
import { desiredPower } from '../workflows/schedule-tick/desired.ts'
import type { ControlActivities } from './contract.ts'
import type { ControlDeps } from './control-deps.ts'

const BY_SCHEDULE: Cause = { reason: 'schedule', actor: 'system:schedule' }

/** The row first: it is what a lost schedule is made again from. */
export const createApplySchedule =
  ({ db, schedules }: Pick<ControlDeps, 'db' | 'schedules'>): ControlActivities['applySchedule'] =>
  async ({ computeId, schedule }) => {
    await requireCompute(db, computeId)
    await db
      .updateTable('computes')
      .set({ schedule: schedule === null ? null : JSON.stringify(schedule) })
      .where('id', '=', computeId)
      .execute()
    if (schedule === null) await schedules.remove(computeId)
    else await schedules.put(computeId, schedule)
  }

/** Level-triggered: what the plan says for that moment, however many lines were missed. */
export const createConvergeToSchedule =
  ({
    db,
    doors,
    timings,
  }: Pick<ControlDeps, 'db' | 'doors' | 'timings'>): ControlActivities['convergeToSchedule'] =>
  async ({ computeId, scheduledAt }) => {
    const row = await findCompute(db, computeId)
    if (row === undefined || row.state === 'terminated' || row.schedule === null) return
    const desired = desiredPower(row.schedule, new Date(scheduledAt))
    if (desired === undefined) return
    const name = desired === 'running' ? 'wake' : 'hibernate'
    const input = computeInput(row, timings, BY_SCHEDULE, true)
    const updateId = `schedule-${scheduledAt}`
    await doors.command(input, name, { cause: BY_SCHEDULE }, { waitMs: 0, updateId })
  }
