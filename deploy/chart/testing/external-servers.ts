/** For suites: their own servers, on this machine, as an installation's external ones. */
import pg from 'pg'
import { dropBucket } from '../../../activities/testing/bucket.ts'
import { storeConfig } from '../../../config/config.ts'
import { kubectl } from '../../../test/support/workloads.ts'
import { apply } from '../../cluster/kubectl.ts'
import { forward } from './forward.ts'

export interface Servers {
  /** Settings of the chart. */
  readonly values: Readonly<Record<string, unknown>>
  end(): Promise<void>
}

/** A database and a bucket `id`; the Secrets with the ways there are made in `namespace`. */
export const externalServers = async (id: string, namespace: string): Promise<Servers> => {
  const node = await kubectl([
    ...['get', 'nodes', '--output'],
    'jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}',
  ])
  const given = new URL(env('DATABASE_URL'))
  await onServer(`create database ${id}`)
  // They listen on loopback, where no pod comes.
  const database = await forward(node, () => given.host)
  const temporal = await forward(node, () => env('TEMPORAL_ADDRESS'))
  const store = await forward(node, () => new URL(env('S3_ENDPOINT')).host)
  const databaseUrl = Object.assign(new URL(given), { host: database.address, pathname: `/${id}` })
  await apply(env('KUBECONFIG'), [
    secret(namespace, 'database', { DATABASE_URL: databaseUrl.toString() }),
    secret(namespace, 'store', {
      S3_ACCESS_KEY_ID: env('S3_ACCESS_KEY_ID'),
      S3_SECRET_ACCESS_KEY: env('S3_SECRET_ACCESS_KEY'),
    }),
  ])
  return {
    values: {
      database: { existingSecret: 'database' },
      temporal: { address: temporal.address },
      store: { endpoint: `http://${store.address}`, bucket: id, existingSecret: 'store' },
    },
    async end() {
      for (const open of [database, temporal, store]) open.close()
      await dropBucket(storeConfig({ ...process.env, S3_BUCKET: id })).catch(() => undefined)
      await onServer(`drop database if exists ${id} with (force)`)
    },
  }
}

const secret = (namespace: string, name: string, stringData: Readonly<Record<string, string>>) => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { namespace, name },
  stringData,
})

const env = (name: string): string => {
  const value = process.env[name]
  if (value === undefined || value === '') throw new Error(`${name} is not set: run through vitest`)
  return value
}

const onServer = async (statement: string): Promise<void> => {
  const client = new pg.Client({ connectionString: env('DATABASE_URL') })
  await client.connect()
  await client.query(statement).finally(() => client.end())
}
