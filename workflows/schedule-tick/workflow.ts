/** A line of a compute's schedule has come: ask the compute to be what the schedule says for that moment. */
import { proxyActivities, workflowInfo } from '@temporalio/workflow'
import { defineSearchAttributeKey } from '@temporalio/common'
import type { ControlActivities } from '../../activities/contract.ts'
import { UNTIL_DONE } from '../retry.ts'

export interface ScheduleTickInput {
  readonly computeId: string
}

const ScheduledStart = defineSearchAttributeKey('TemporalScheduledStartTime', 'DATETIME')

const { convergeToSchedule } = proxyActivities<ControlActivities>({
  summary: 'hibernate or wake by schedule',
  startToCloseTimeout: '30s',
  // Later ticks are skipped while one runs, so a stuck one must end.
  scheduleToCloseTimeout: '5m',
  retry: UNTIL_DONE,
})

export async function scheduleTick({ computeId }: ScheduleTickInput): Promise<void> {
  const { typedSearchAttributes, startTime } = workflowInfo()
  // Started late (an outage) or by hand in the UI: the plan of that moment counts, not of this one.
  const at = typedSearchAttributes.get(ScheduledStart) ?? startTime
  await convergeToSchedule({ computeId, scheduledAt: at.toISOString() })
}
