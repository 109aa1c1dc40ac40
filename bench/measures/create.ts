import { NativeConnection, Worker } from '@temporalio/worker'
import { WithStartWorkflowOperation } from '@temporalio/client'
import { fileURLToPath } from 'node:url'
import { temporalClient } from '../../test/support/temporal-histories.ts'
import type { Measure } from '../bench.ts'
import { figure, median, timed } from '../figure.ts'

/** Create until the first command's output, against an empty update-with-start on the same server. */
export const create: Measure = async ({ stack, visitor, quick }) => {
  const rounds = quick ? 5 : 20
  const ours: number[] = []
  const floors: number[] = []
  const floor = await emptyWorkflow(stack.env)
  for (let round = 0; round < rounds; round++) {
    floors.push(await timed(() => floor.run(round)))
    let id = ''
    ours.push(
      await timed(async () => {
        id = (await visitor.client.computes.create({ name: 'bench' }, { wait: 60 })).id
        await visitor.client.capture(id, { command: 'echo hello' })
      }),
    )
    await visitor.client.computes.remove(id, { purge: true, wait: 60 })
  }
  await floor.stop()
  return [
    figure('create → first command output, p50', median(ours), 'ms', {
      value: median(floors),
      name: 'empty update-with-start',
    }),
  ]
}

const emptyWorkflow = async (env: Readonly<Record<string, string>>) => {
  const connection = await NativeConnection.connect({ address: env['TEMPORAL_ADDRESS'] ?? '' })
  const taskQueue = `${env['DORMOUSE_TASK_QUEUE_PREFIX']}-floor`
  const worker = await Worker.create({
    connection,
    namespace: env['TEMPORAL_NAMESPACE'] ?? 'default',
    taskQueue,
    workflowsPath: fileURLToPath(new URL('../empty-workflow.ts', import.meta.url)),
    activities: { nothing: async () => {} },
  })
  const running = worker.run()
  const client = await temporalClient(env)
  return {
    run: (round: number) =>
      client.workflow.executeUpdateWithStart('ready', {
        startWorkflowOperation: new WithStartWorkflowOperation('empty', {
          workflowId: `${taskQueue}-${round}`,
          taskQueue,
          workflowIdConflictPolicy: 'FAIL',
        }),
      }),
    stop: async () => {
      worker.shutdown()
      await running
      await client.connection.close()
      await connection.close()
    },
  }
}
