import type { Client } from '@temporalio/client'

const ACTIVITY_TASKS = 2

/** Whether some worker has asked this queue for activities since then; a killed one is listed for minutes. */
export const pollsSince = async (
  client: Client,
  taskQueue: string,
  sinceMs: number,
): Promise<boolean> => {
  const { pollers } = await client.workflowService.describeTaskQueue({
    namespace: client.options.namespace,
    taskQueue: { name: taskQueue },
    taskQueueType: ACTIVITY_TASKS,
  })
  return (pollers ?? []).some(
    ({ lastAccessTime }) => Number(lastAccessTime?.seconds ?? 0) * 1000 >= sinceMs - 1000,
  )
}
