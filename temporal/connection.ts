/** The one place that knows where Temporal is. */
import { Client, Connection } from '@temporalio/client'
import { temporalConfig } from '../config/config.ts'

type Env = Readonly<Record<string, string | undefined>>

/** For the API and tools; `close()` when done. Throws Unavailable-like transport errors if nobody answers. */
export const connectClient = async (env: Env = process.env): Promise<TemporalClient> => {
  const { address, namespace } = temporalConfig(env)
  const connection = await Connection.connect({ address, connectTimeout: '10s' })
  return { client: new Client({ connection, namespace }), close: () => connection.close() }
}

export interface TemporalClient {
  readonly client: Client
  close(): Promise<void>
}
