import type { Client } from '@temporalio/client'
import { computeDoors } from '../../../temporal/doors.ts'
import {
  computeScheduleId,
  putComputeSchedule,
  removeComputeSchedule,
} from '../../../temporal/schedules.ts'
import type { PowerSchedules, WorkflowDoors } from '../../control-deps.ts'

const WORKFLOW_PREFIX = 'compute-'

export const workflowDoors = (client: Client, controlQueue: string): WorkflowDoors => ({
  ...computeDoors(client, controlQueue),
  async *openComputes() {
    const query = `WorkflowType = 'compute' AND ExecutionStatus = 'Running' AND TaskQueue = '${controlQueue}'`
    for await (const { workflowId } of client.workflow.list({ query }))
      if (workflowId.startsWith(WORKFLOW_PREFIX)) yield workflowId.slice(WORKFLOW_PREFIX.length)
  },
})

export const powerSchedules = (client: Client, controlQueue: string): PowerSchedules => ({
  put: (computeId, schedule) => putComputeSchedule(client, controlQueue, computeId, schedule),
  remove: (computeId) => removeComputeSchedule(client, computeId),
  async *list() {
    const prefix = computeScheduleId('')
    for await (const { scheduleId } of client.schedule.list())
      if (scheduleId.startsWith(prefix)) yield scheduleId.slice(prefix.length)
  },
})
