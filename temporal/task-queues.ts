import { CONTROL_QUEUE, DATA_QUEUE } from '../workflows/task-queues.ts'

/** `control`: workflows and short activities. `data`: archive bytes. The prefix keeps installations apart. */
export const taskQueues = (env: Readonly<Record<string, string | undefined>> = process.env) => {
  const prefix = env['DORMOUSE_TASK_QUEUE_PREFIX']
  const before = prefix === undefined || prefix === '' ? '' : `${prefix}-`
  return { control: `${before}${CONTROL_QUEUE}`, data: `${before}${DATA_QUEUE}` } as const
}
