/** Temporal schedules: one per compute that has a power schedule, and the janitor's. All idempotent. */
import {
  ScheduleAlreadyRunning,
  ScheduleNotFoundError,
  type Client,
  type ScheduleOptions,
} from '@temporalio/client'
import type { PowerSchedule } from '../workflows/compute/contract.ts'
import type { janitor, scheduleTick } from '../workflows/index.ts'

export const JANITOR_SCHEDULE = 'janitor'
export const computeScheduleId = (computeId: string): string => `power-${computeId}`

/** After an outage, lines older than this are not made up for; the latest state is what counts. */
const CATCH_UP = '10m'
/** The server starts at most 30 workflows a second; a whole company goes to sleep at 20:00. */
const JITTER = '30s'

/** Creates or replaces the schedule of a compute; a schedule without lines is removed. */
export const putComputeSchedule = async (
  client: Client,
  controlQueue: string,
  computeId: string,
  schedule: PowerSchedule,
): Promise<void> => {
  const lines = [...schedule.hibernate, ...schedule.wake]
  if (lines.length === 0) return removeComputeSchedule(client, computeId)
  await put(client, {
    scheduleId: computeScheduleId(computeId),
    spec: { cronExpressions: lines, timezone: schedule.timezone, jitter: JITTER },
    action: {
      type: 'startWorkflow',
      workflowType: 'scheduleTick' satisfies (typeof scheduleTick)['name'],
      workflowId: `schedule-tick-${computeId}`,
      taskQueue: controlQueue,
      args: [{ computeId }],
      staticSummary: `schedule of compute ${computeId}`,
    },
    policies: { overlap: 'SKIP', catchupWindow: CATCH_UP },
  })
}

export const removeComputeSchedule = async (client: Client, computeId: string): Promise<void> => {
  try {
    await client.schedule.getHandle(computeScheduleId(computeId)).delete()
  } catch (error) {
    if (!(error instanceof ScheduleNotFoundError)) throw error
  }
}

const putJanitorSchedule = (
  client: Client,
  controlQueue: string,
  sweep: { readonly everyMs: number; readonly graceMs: number },
): Promise<void> =>
  put(client, {
    scheduleId: janitorScheduleId(controlQueue),
    spec: { intervals: [{ every: sweep.everyMs }] },
    action: {
      type: 'startWorkflow',
      workflowType: 'janitor' satisfies (typeof janitor)['name'],
      workflowId: janitorScheduleId(controlQueue),
      taskQueue: controlQueue,
      args: [{ graceMs: sweep.graceMs }],
      staticSummary: 'sweep: adopt computes, remove orphans',
    },
    policies: { overlap: 'SKIP', catchupWindow: '10s' },
  })

/** Installations that share a namespace have one janitor each. */
export const janitorScheduleId = (controlQueue: string): string =>
  controlQueue === 'control' ? JANITOR_SCHEDULE : `${JANITOR_SCHEDULE}-${controlQueue}`

/** At every start of a worker: Temporal's data may have been lost, the rows were not. */
export const ensureSchedules = async (
  client: Client,
  controlQueue: string,
  wanted: {
    readonly sweep: { readonly everyMs: number; readonly graceMs: number }
    readonly computes: readonly { readonly computeId: string; readonly schedule: PowerSchedule }[]
  },
): Promise<void> => {
  await putJanitorSchedule(client, controlQueue, wanted.sweep)
  for (const { computeId, schedule } of wanted.computes)
    await putComputeSchedule(client, controlQueue, computeId, schedule)
}

const put = async (client: Client, options: ScheduleOptions): Promise<void> => {
  try {
    await client.schedule.create(options)
  } catch (error) {
    if (!(error instanceof ScheduleAlreadyRunning)) throw error
    const { action, spec, policies } = options
    await client.schedule.getHandle(options.scheduleId).update((previous) => ({
      ...previous,
      // A description carries memo and search attributes in decoded form; only what is ours is written.
      action: action as typeof previous.action,
      spec,
      policies: { ...previous.policies, ...policies } as typeof previous.policies,
    }))
  }
}
