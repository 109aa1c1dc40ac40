/** For suites: the whole chart, installed in namespaces of its own. */
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { helm, kubectl, removeRelease } from '../../../test/support/workloads.ts'
import { CHART, settings } from '../walls.ts'
import { apply } from '../../cluster/kubectl.ts'
import { externalServers } from './external-servers.ts'
import { forward } from './forward.ts'

export interface Installation {
  readonly system: string
  readonly computes: string
  /** Label of its pods, and the beginning of its Lease's name. */
  readonly installation: string
  readonly apiUrl: string
  readonly gatewayUrl: string
  readonly email: string
  readonly password: string
  /** Installs it again, with these settings in place of those of the first time; of `from`, else of this checkout. */
  upgrade(values?: Values, from?: Build): Promise<void>
  /** To what was installed before the last upgrade. */
  rollback(): Promise<void>
  end(): Promise<void>
}

type Values = Readonly<Record<string, unknown>>

/** What an installation is made from. */
export interface Build {
  readonly chart: string
  readonly images: Images
}

/** References of the images of one build. */
export interface Images {
  readonly platform: string
  readonly base: string
  readonly sidekick: string
}

/** As settings of the chart. */
export const imagesOf = ({ platform, base, sidekick }: Images) => {
  const colon = platform.lastIndexOf(':')
  const [repository, tag] = [platform.slice(0, colon), platform.slice(colon + 1)]
  return {
    image: { repository, tag, pullPolicy: 'Never' },
    computeImages: { base, sidekick, pullPolicy: 'Never' },
  }
}

/** Of this checkout, as the global set-up gave it to the node. */
export const imageOf = (name: keyof Images): string =>
  process.env[`DORMOUSE_KUBERNETES_${name.toUpperCase()}_IMAGE`] ?? `docker.io/dormouse/${name}:dev`

const THIS: Build = {
  chart: CHART,
  images: { platform: imageOf('platform'), base: imageOf('base'), sidekick: imageOf('sidekick') },
}

export const RELEASE = 'dormouse'
const EMAIL = 'first@dormouse.test'
const SMALL = { requests: { cpu: '10m', memory: '96Mi' }, limits: { memory: '1Gi' } }
const TRYOUT = { tryout: { enabled: true, storageClass: 'none' } }

/** `external`: over the suite's own servers. `tryout`: over those that the chart brings. */
export const installAll = async (
  servers: 'external' | 'tryout',
  more: Values = {},
  first?: Build,
): Promise<Installation> => {
  const id = `t${randomBytes(5).toString('hex')}`
  const [system, computes] = [`${id}-system`, `${id}-computes`]
  await apply(process.env['KUBECONFIG'] ?? '', [
    {
      apiVersion: 'v1',
      kind: 'Namespace',
      // The platform's own pods keep what computes must keep.
      metadata: { name: system, labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } },
    },
  ])
  const theirs = servers === 'external' ? await externalServers(id, system) : undefined
  // The services must say by which addresses they are called, before they have any.
  const services = { api: '', gateway: '' }
  const api = await forward('127.0.0.1', () => `${services.api}:8080`)
  const gateway = await forward('127.0.0.1', () => `${services.gateway}:8081`)

  const values = {
    ...(theirs?.values ?? TRYOUT),
    workloads: { namespace: computes, installation: id, requestPercent: 2 },
    api: { origin: `http://${api.address}`, resources: SMALL },
    gateway: { origin: `http://${gateway.address}`, portDomain: 'localhost', resources: SMALL },
    worker: { resources: SMALL },
    dataWorker: { resources: SMALL },
    observer: { resources: SMALL },
    firstLogin: { email: EMAIL },
    // Suites share one Temporal.
    env: { DORMOUSE_TASK_QUEUE_PREFIX: id, ...(more['env'] as object | undefined) },
  }
  const get = (what: string, path: string) =>
    kubectl(['get', '--namespace', system, what, '--output', `jsonpath={${path}}`])
  const how = ['--namespace', system, '--wait', '--timeout', '4m']
  const upgrade: Installation['upgrade'] = async (other = {}, { chart, images } = THIS) => {
    const all = { ...values, ...imagesOf(images), ...other }
    const known = await readFile(path.join(chart, 'values.yaml'), 'utf8')
    const has = (name: string) => known.includes(`\n${name}:`)
    // An earlier chart refuses what it does not know.
    const taken = Object.fromEntries(Object.entries(all).filter(([name]) => has(name)))
    await helm(['upgrade', '--install', RELEASE, chart, ...how, ...settings(taken)])
    services.api = await get(`service/${RELEASE}-api`, '.spec.clusterIP')
    services.gateway = await get(`service/${RELEASE}-gateway`, '.spec.clusterIP')
  }
  const end = async (): Promise<void> => {
    await removeRelease(RELEASE, system, [computes, system])
    for (const open of [api, gateway]) open.close()
    await theirs?.end()
  }
  try {
    await upgrade({}, first)
  } catch (error) {
    const pods = await kubectl(['get', 'pods', '--namespace', system])
    await end()
    throw new Error(`it did not come up:\n${pods}`, { cause: error })
  }
  const password = await get(`secret/${RELEASE}-keys`, '.data.DORMOUSE_FIRST_PASSWORD')
  return {
    system,
    computes,
    installation: id,
    apiUrl: `http://${api.address}`,
    gatewayUrl: `http://${gateway.address}`,
    email: EMAIL,
    password: Buffer.from(password, 'base64').toString(),
    upgrade,
    rollback: () => helm(['rollback', RELEASE, ...how]).then(() => undefined),
    end,
  }
}
