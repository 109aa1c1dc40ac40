/** The activities as the plot calls them: each with its queue, its patience and its line for the operator. */
import {
  ActivityCancellationType,
  proxyActivities,
  proxyLocalActivities,
  TemporalFailure,
  workflowInfo,
} from '@temporalio/workflow'
import type { ControlActivities, DataActivities } from '../../activities/contract.ts'
import { A_FEW_TIMES, UNTIL_NAMED, UNTIL_DONE } from '../retry.ts'
import { dataQueueBeside } from '../task-queues.ts'

/** A worker that was killed is noticed within this; temporal/alive.ts beats every 2 s. */
const HEARTBEAT = '8s'

const TRY_CANCEL = ActivityCancellationType.TRY_CANCEL

/** On the workflow's own queue, so that the server hands it over with the workflow task (eager). */
export const { provision } = proxyActivities<ControlActivities>({
  summary: 'start the sandbox and claim its sidekick',
  startToCloseTimeout: '3m',
  heartbeatTimeout: HEARTBEAT,
  cancellationType: TRY_CANCEL,
  retry: UNTIL_NAMED,
})

export const { stop } = proxyActivities<ControlActivities>({
  summary: 'stop the sandbox',
  startToCloseTimeout: '2m',
  heartbeatTimeout: HEARTBEAT,
  retry: UNTIL_DONE,
})

/**
 * Within the workflow's own task, where nothing is up that takes time to end: short, or else given to
 * the patient way.
 */
const { release: releaseSoon } = proxyLocalActivities<ControlActivities>({
  startToCloseTimeout: '4s',
  retry: { maximumAttempts: 1 },
})

const { release: releasePatiently } = proxyActivities<ControlActivities>({
  summary: 'stop its sandbox, close its rows, trash or purge its filesystem',
  startToCloseTimeout: '1m',
  heartbeatTimeout: HEARTBEAT,
  retry: UNTIL_DONE,
})

export const release = async (
  input: Parameters<ControlActivities['release']>[0],
  soon: boolean,
): Promise<void> => {
  if (soon)
    try {
      return await releaseSoon(input)
    } catch (error) {
      // A local activity's failure comes without the wrapper of other activities.
      if (!(error instanceof TemporalFailure)) throw error
    }
  await releasePatiently(input)
}

export const { recall } = proxyActivities<ControlActivities>({
  summary: 'ask the row and the runtime what is true',
  startToCloseTimeout: '30s',
  heartbeatTimeout: HEARTBEAT,
  retry: UNTIL_DONE,
})

export const { probe } = proxyActivities<ControlActivities>({
  summary: 'ask the sidekick whether it is idle',
  startToCloseTimeout: '15s',
  retry: A_FEW_TIMES,
})

export const { announce } = proxyActivities<ControlActivities>({
  summary: 'tell its terminals when it will end',
  startToCloseTimeout: '15s',
  retry: A_FEW_TIMES,
})

export const { applySchedule } = proxyActivities<ControlActivities>({
  summary: 'write its schedule',
  startToCloseTimeout: '30s',
  retry: { ...UNTIL_DONE, maximumAttempts: 5 },
})

/** Single rows in Postgres: below two seconds and the same when done twice. */
export const { record, note } = proxyLocalActivities<ControlActivities>({
  startToCloseTimeout: '5s',
  localRetryThreshold: '8s',
  retry: UNTIL_DONE,
})

const bytes = (summary: string) =>
  proxyActivities<DataActivities>({
    summary,
    taskQueue: dataQueueBeside(workflowInfo().taskQueue),
    // No data worker: the compute stays up and the save is tried again, rather than waiting for ever.
    scheduleToStartTimeout: '5m',
    startToCloseTimeout: '1h',
    heartbeatTimeout: HEARTBEAT,
    cancellationType: TRY_CANCEL,
    retry: A_FEW_TIMES,
  })

export const save = (input: Parameters<DataActivities['save']>[0]) =>
  bytes(
    input.mode === 'checkpoint'
      ? 'save while it runs'
      : `save, freeze, save the rest, publish (${input.cause.reason})`,
  ).save(input)

export const restore = (input: Parameters<DataActivities['restore']>[0]) =>
  bytes(
    input.snapshotId === null ? 'open it to users' : `restore snapshot ${input.snapshotId}`,
  ).restore(input)

export const commitImage = (input: Parameters<DataActivities['commitImage']>[0]) =>
  bytes(`commit image ${input.imageId}`).commitImage(input)
