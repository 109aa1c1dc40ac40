/** Main of the data worker: archive bytes between sidekicks and the store. Needs zstd of node:zlib. */
import { setFlagsFromString } from 'node:v8'
import { composeData } from '../activities/compose.ts'
import { runWorker } from './run-worker.ts'
import { taskQueues } from './task-queues.ts'

const env = process.env

// Else every 64 MiB of buffers that pass ask for a collection of the whole heap: half of a save's time here.
setFlagsFromString('--external-memory-accounted-in-global-limit')
// V8's own factor grows with the time that collections take; these are short and find nothing, so that it
// stayed at ten a second. Twice what is in use bounds both their number and the memory of many saves at once.
setFlagsFromString('--heap-growing-percent=100')

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
