import { Client, Connection } from '@temporalio/client'
import type { Stack } from './stack.ts'

export const temporalClient = async (env: Readonly<Record<string, string>>): Promise<Client> => {
  const connection = await Connection.connect({ address: env['TEMPORAL_ADDRESS'] ?? '' })
  return new Client({ connection, namespace: env['TEMPORAL_NAMESPACE'] ?? 'default' })
}

/** All histories, memos and search attributes of this stack's workflows as one text, payloads decoded. */
export const everythingTemporalKnows = async (stack: Stack): Promise<string> => {
  const client = await temporalClient(stack.env)
  const texts: string[] = []
  const prefix = stack.env['DORMOUSE_TASK_QUEUE_PREFIX'] ?? ''
  for await (const info of client.workflow.list()) {
    if (!info.taskQueue.startsWith(prefix)) continue
    const history = await client.workflow.getHandle(info.workflowId, info.runId).fetchHistory()
    texts.push(
      JSON.stringify({ info: { ...info, raw: undefined }, history }, (_key, value: unknown) =>
        value instanceof Uint8Array
          ? Buffer.from(value).toString('utf8')
          : typeof value === 'bigint'
            ? String(value)
            : value,
      ),
    )
  }
  await client.connection.close()
  return texts.join('\n')
}

/** Events of every run of one compute, in order of runs. */
export const historyEventCount = async (stack: Stack, workflowId: string): Promise<number> => {
  const client = await temporalClient(stack.env)
  let events = 0
  for await (const info of client.workflow.list({ query: `WorkflowId = '${workflowId}'` }))
    events += info.historyLength
  await client.connection.close()
  return events
}
