/** Main of the control worker: workflows, short activities, schedules. */
import { fileURLToPath } from 'node:url'
import { Client } from '@temporalio/client'
import { composeControl } from '../activities/compose.ts'
import { databaseUrl, temporalConfig, workerConfig } from '../config/config.ts'
import { BUILD_ID } from '../workflows/plot.ts'
import { openDatabase } from '../records/database.ts'
import { onceDatabaseAnswers } from '../records/database-away.ts'
import { runWorker } from './run-worker.ts'
import { ensureSchedules } from './schedules.ts'
import { taskQueues } from './task-queues.ts'

const env = process.env
const { workflowBundle, sweep } = workerConfig(env)
const queue = taskQueues(env).control

await runWorker(env, async (connection) => {
  const { activities, close } = await composeControl(env)
  const { namespace } = temporalConfig(env)
  return {
    options: {
      taskQueue: queue,
      buildId: BUILD_ID,
      activities,
      // A run that another version began may be none that this one can go on with, after a rollback for
      // good. It ends then, and the compute is adopted, instead of waiting for a version that may never come.
      workflowFailureErrorTypes: { '*': ['NondeterminismError'] },
      ...(workflowBundle === undefined
        ? { workflowsPath: fileURLToPath(new URL('../workflows/index.ts', import.meta.url)) }
        : { workflowBundle: { codePath: workflowBundle } }),
    },
    ready: async () => {
      const client = new Client({ connection, namespace })
      const computes = await onceDatabaseAnswers(scheduledComputes)
      await ensureSchedules(client, queue, { sweep, computes })
    },
    close,
  }
})

async function scheduledComputes() {
  const db = openDatabase(databaseUrl(env), 1)
  try {
    const rows = await db
      .selectFrom('computes')
      .select(['id', 'schedule'])
      .where('schedule', 'is not', null)
      .where('state', '<>', 'terminated')
      .execute()
    return rows.flatMap(({ id, schedule }) =>
      schedule === null ? [] : [{ computeId: id, schedule }],
    )
  } finally {
    await db.destroy()
  }
}
