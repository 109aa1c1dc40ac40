/** For suites: the whole chart, installed in namespaces of its own over the suite's servers. */
import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { dropBucket } from '../../../activities/testing/ground.ts'
import { storeConfig } from '../../../config/config.ts'
import { CHART, helm, kubectl, removeRelease, settings } from '../../../test/support/workloads.ts'
import { apply } from '../../cluster/kubectl.ts'
import { forward } from './forward.ts'

export interface Installation {
  readonly system: string
  readonly computes: string
  readonly apiUrl: string
  readonly gatewayUrl: string
  readonly email: string
  readonly password: string
  /** Installs it again, with these settings beside those of the first time. */
  upgrade(values?: Readonly<Record<string, unknown>>): Promise<void>
  end(): Promise<void>
}

const RELEASE = 'dormouse'
const EMAIL = 'first@dormouse.test'
const SMALL = { requests: { cpu: '10m', memory: '96Mi' }, limits: { memory: '1Gi' } }

export const installAll = async (): Promise<Installation> => {
  const id = `t${randomBytes(5).toString('hex')}`
  const [system, computes] = [`${id}-system`, `${id}-computes`]
  const node = await kubectl([
    ...['get', 'nodes', '--output'],
    'jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}',
  ])
  const given = new URL(env('DATABASE_URL'))
  await onServer(`create database ${id}`)
  // The suite's servers listen on loopback, where no pod comes; the services' addresses come later.
  const database = await forward(node, () => given.host)
  const temporal = await forward(node, () => env('TEMPORAL_ADDRESS'))
  const store = await forward(node, () => new URL(env('S3_ENDPOINT')).host)
  const services = { api: '', gateway: '' }
  const api = await forward('127.0.0.1', () => `${services.api}:8080`)
  const gateway = await forward('127.0.0.1', () => `${services.gateway}:8081`)
  const databaseUrl = Object.assign(new URL(given), { host: database.address, pathname: `/${id}` })

  await apply(env('KUBECONFIG'), [
    {
      apiVersion: 'v1',
      kind: 'Namespace',
      // The platform's own pods keep what computes must keep.
      metadata: { name: system, labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } },
    },
    secret(system, 'database', { DATABASE_URL: databaseUrl.toString() }),
    secret(system, 'store', {
      S3_ACCESS_KEY_ID: env('S3_ACCESS_KEY_ID'),
      S3_SECRET_ACCESS_KEY: env('S3_SECRET_ACCESS_KEY'),
    }),
  ])
  const values = {
    image: { repository: 'docker.io/dormouse/platform', tag: 'dev', pullPolicy: 'Never' },
    computeImages: { pullPolicy: 'Never', sidekickMount: 'copy' },
    workloads: { namespace: computes, installation: id, requestPercent: 2 },
    api: { origin: `http://${api.address}`, resources: SMALL },
    gateway: { origin: `http://${gateway.address}`, portDomain: 'localhost', resources: SMALL },
    worker: { resources: SMALL },
    dataWorker: { resources: SMALL },
    database: { existingSecret: 'database' },
    temporal: { address: temporal.address },
    store: { endpoint: `http://${store.address}`, bucket: id, existingSecret: 'store' },
    firstLogin: { email: EMAIL },
    // Suites share one Temporal.
    env: { DORMOUSE_TASK_QUEUE_PREFIX: id },
  }
  const upgrade: Installation['upgrade'] = async (more = {}) => {
    const all = settings({ ...values, ...more })
    const how = ['--namespace', system, '--wait', '--timeout', '4m']
    await helm(['upgrade', '--install', RELEASE, CHART, ...how, ...all])
  }
  const get = (what: string, path: string) =>
    kubectl(['get', '--namespace', system, what, '--output', `jsonpath={${path}}`])

  const end = async () => {
    await removeRelease(RELEASE, system, [computes, system])
    for (const open of [database, temporal, store, api, gateway]) open.close()
    await dropBucket(storeConfig({ ...process.env, S3_BUCKET: id })).catch(() => undefined)
    await onServer(`drop database if exists ${id} with (force)`)
  }
  try {
    await upgrade()
  } catch (error) {
    const pods = await kubectl(['get', 'pods', '--namespace', system])
    await end()
    throw new Error(`it did not come up:\n${pods}`, { cause: error })
  }
  services.api = await get(`service/${RELEASE}-api`, '.spec.clusterIP')
  services.gateway = await get(`service/${RELEASE}-gateway`, '.spec.clusterIP')
  const sealed = await get(`secret/${RELEASE}-keys`, '.data.DORMOUSE_FIRST_PASSWORD')
  return {
    system,
    computes,
    apiUrl: `http://${api.address}`,
    gatewayUrl: `http://${gateway.address}`,
    email: EMAIL,
    password: Buffer.from(sealed, 'base64').toString(),
    upgrade,
    end,
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
