/** Main of the data worker: archive bytes between sidekicks and the store. Needs zstd of node:zlib. */
import { composeData } from '../activities/compose.ts'
import { runWorker } from './run-worker.ts'
import { taskQueues } from './task-queues.ts'

const env = process.env

await runWorker(env, async () => {
  const { activities, close } = await composeData(env)
  return {
    // Each moves and hashes a stream: more at once only makes all of them slower.
    options: {
      taskQueue: taskQueues(env).data,
      activities,
      maxConcurrentActivityTaskExecutions: 16,
    },
    close,
  }
})
