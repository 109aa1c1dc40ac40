/** The one place that knows where Temporal is. */
import { Client, Connection } from '@temporalio/client'
import { temporalConfig } from '../config/config.ts'

type Env = Readonly<Record<string, string | undefined>>

/** For the API and tools; `close()` when done. Throws Unavailable-like transport errors if nobody answers. */
export const connectClient = async (env: Env = process.env): Promise<TemporalClient> => {
  const { address, namespace, access } = temporalConfig(env)
  const connection = await Connection.connect({ address, ...access, connectTimeout: '10s' })
  return { client: new Client({ connection, namespace }), close: () => connection.close() }
}

export interface TemporalClient {
  readonly client: Client
  close(): Promise<void>
}

/**
 * For a process that must start and answer while Temporal is away: connects at the first call.
 * `check` rejects when it does not answer within two seconds.
 */
export const lazyClient = (
  env: Env = process.env,
): TemporalClient & { check(): Promise<unknown> } => {
  const { address, namespace, access } = temporalConfig(env)
  const connection = Connection.lazy({ address, ...access, connectTimeout: '5s' })
  return {
    client: new Client({ connection, namespace }),
    check: () =>
      connection.withDeadline(Date.now() + 2_000, () =>
        connection.workflowService.getSystemInfo({}),
      ),
    close: () => connection.close(),
  }
}
