import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import {
  loadAllYaml,
  type V1Deployment,
  type V1LimitRange,
  type V1PodDisruptionBudget,
  type V1ResourceQuota,
  type V1Secret,
  type V1ServiceAccount,
} from '@kubernetes/client-node'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { HEADROOM_BYTES } from '../../activities/adapters/kubernetes/pod-manifest.ts'
import { TIERS } from '../../config/tiers.ts'
import { helm } from '../../test/support/workloads.ts'
import { CHART, settings } from './walls.ts'
import { openBoard } from '../local/board.ts'
import { runTool } from '../local/run-tool.ts'
import { obtainTool } from '../cluster/tools.ts'
import { schemaLocation, writeSchemas, type OpenApi } from './testing/schemas.ts'

const EXTERNAL = {
  api: { origin: 'https://dormouse.example.com' },
  gateway: { origin: 'https://gateway.example.com', portDomain: 'computes.example.net' },
  database: { existingSecret: 'database' },
  temporal: { address: 'temporal:7233', uiOrigin: 'https://temporal.example.com' },
  store: { endpoint: 'https://s3.example.com', existingSecret: 'store' },
}
const EVERYTHING = {
  ...EXTERNAL,
  ingress: {
    enabled: true,
    className: 'nginx',
    annotations: { 'nginx.ingress.kubernetes.io/proxy-body-size': '0' },
    tls: { api: 'api', gateway: 'gateway', ports: 'ports' },
    trustedProxies: ['10.0.0.0/8'],
  },
  metrics: { monitors: true, labels: { release: 'prometheus' } },
  nodeWall: { enabled: true },
  image: { pullSecrets: ['registry'] },
  podAnnotations: { 'example.com/reload': 'database' },
  trustedCa: { existingConfigMap: 'authorities' },
  workloads: {
    moreNamespaces: ['group-one', 'group-two'],
    runtimeClass: { create: true, nodeSelector: { gvisor: 'true' }, tolerations: [{ key: 'g' }] },
    ingress: { cidrs: ['203.0.113.7/32'] },
    egress: {
      ipv6: true,
      deniedCidrs: ['203.0.113.0/24', '2001:db8::/32'],
      resolvers: ['10.0.0.2/32'],
    },
  },
}
const TRYOUT = { tryout: { enabled: true } }
const WALLS = { platform: { enabled: false } }
const SETS = { EXTERNAL, EVERYTHING, TRYOUT, WALLS }

const render = async (values: Readonly<Record<string, unknown>>): Promise<string> => {
  const to = await mkdtemp(path.join(dir, 'rendered-'))
  const where = ['--namespace', 'dormouse-system', '--output-dir', to]
  await helm(['template', 'dormouse', CHART, ...where, ...settings(values)])
  return to
}

/** The one object of that kind and name that the chart makes; hooks are among them. */
const rendered = async <T>(
  kind: string,
  name: string,
  values: Readonly<Record<string, unknown>>,
): Promise<T> => {
  const where = ['--namespace', 'dormouse-system']
  const text = await helm(['template', 'dormouse', CHART, ...where, ...settings(values)])
  const objects = loadAllYaml(text) as { kind: string; metadata: { name: string } }[]
  const found = objects.filter((one) => one.kind === kind && one.metadata.name === name)
  expect(found, `${kind} ${name}`).toHaveLength(1)
  return found[0] as T
}

let dir: string
beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'dormouse-chart-'))
})
afterAll(() => rm(dir, { recursive: true, force: true }))

describe('the chart', () => {
  it.each(Object.entries(SETS))('passes helm lint with settings %s', async (_name, values) => {
    const said = await helm(['lint', '--strict', CHART, ...settings(values)])
    expect(said).toContain('0 chart(s) failed')
  })

  it('renders only what the cluster’s own schemas know, and finds a field that they do not', async () => {
    const description = path.join(dir, 'openapi.json')
    await runTool('sh', ['-c', 'kubectl get --raw /openapi/v2 > "$0"', description])
    const openApi = JSON.parse(await readFile(description, 'utf8')) as OpenApi
    const schemas = path.join(dir, 'schemas')
    await writeSchemas(openApi, schemas)
    const board = openBoard()
    const kubeconform = await obtainTool('kubeconform', board)
    board.close()
    // The Prometheus operator's kinds are not in a plain cluster.
    const how = ['-summary', '-skip', 'ServiceMonitor,PodMonitor']
    const check = (folder: string) =>
      runTool(kubeconform, [...how, '-schema-location', schemaLocation(schemas), folder])
    for (const values of Object.values(SETS))
      expect(await check(await render(values))).toMatch(/Valid: [1-9]\d*, Invalid: 0, Errors: 0/)
    const wrong = await render(EXTERNAL)
    const file = path.join(wrong, 'dormouse/templates/platform/migrate.yaml')
    const text = await readFile(file, 'utf8')
    await writeFile(file, text.replace('enableServiceLinks:', 'enableServiceLink:'))
    await expect(check(wrong)).rejects.toThrow('enableServiceLink')
  })

  it('has the tiers of config/tiers.ts', async () => {
    const { workloads } = JSON.parse(await values()) as { workloads: { tiers: object } }
    const ours = Object.entries(TIERS).map(([name, { cpuMillis, memoryBytes, maxBytes }]) => [
      name,
      {
        cpuMillis: [cpuMillis.request, cpuMillis.limit],
        memoryMib: [memoryBytes.request / 1024 ** 2, memoryBytes.limit / 1024 ** 2],
        treesMib: maxBytes / 1024 ** 2,
      },
    ])
    expect(workloads.tiers).toEqual(Object.fromEntries(ours))
  })

  it('has room for the largest tier, with what its pod has beside it for gVisor and the sidekick', async () => {
    const mib = (bytes: number) => bytes / 1024 ** 2
    const premium = `${mib(TIERS.premium.memoryBytes.limit + HEADROOM_BYTES)}Mi`
    const workloads = { quota: { computes: { tiny: 0, basic: 0, standard: 0, premium: 1 } } }
    const range = await rendered<V1LimitRange>('LimitRange', 'computes', { ...WALLS, workloads })
    expect(range.spec?.limits[0]?.max?.['memory']).toBe(premium)
    const quota = await rendered<V1ResourceQuota>('ResourceQuota', 'computes', {
      ...WALLS,
      workloads,
    })
    expect(quota.spec?.hard?.['limits.memory']).toBe(premium)
  })

  it('keeps its keys from Argo CD, which would put new ones in their place at every sync', async () => {
    const { metadata } = await rendered<V1Secret>('Secret', 'dormouse-keys', EXTERNAL)
    expect(metadata?.annotations).toMatchObject({ 'argocd.argoproj.io/hook': 'Skip' })
  })

  it('lets the cluster autoscaler take away a node with a pod of the platform', async () => {
    const { spec } = await rendered<V1Deployment>('Deployment', 'dormouse-worker', EVERYTHING)
    const kept = spec?.template.spec?.volumes?.filter(({ emptyDir }) => emptyDir !== undefined)
    expect(kept?.map(({ name }) => name)).toEqual(['tmp'])
    expect(spec?.template.metadata?.annotations).toEqual({
      'cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes': 'tmp',
      ...EVERYTHING.podAnnotations,
    })
  })

  it.each([
    ['Deployment', 'dormouse-api'],
    ['Deployment', 'dormouse-data-worker'],
    ['Job', 'dormouse-migrate'],
  ])('has %s %s believe your own authorities', async (kind, name) => {
    const { spec } = await rendered<V1Deployment>(kind, name, EVERYTHING)
    const [container] = spec?.template.spec?.containers ?? []
    const file = container?.env?.find((one) => one.name === 'NODE_EXTRA_CA_CERTS')?.value
    const mount = container?.volumeMounts?.find((one) => one.name === 'trusted-ca')
    const volume = spec?.template.spec?.volumes?.find((one) => one.name === 'trusted-ca')
    expect(file).toBe(`${mount?.mountPath}/ca.crt`)
    expect(volume?.configMap).toMatchObject({ name: 'authorities', items: [{ path: 'ca.crt' }] })
  })

  it('spreads a service over nodes and zones, and lets what is not ready hold up no drain', async () => {
    const { spec } = await rendered<V1Deployment>('Deployment', 'dormouse-gateway', EXTERNAL)
    const spread = spec?.template.spec?.topologySpreadConstraints ?? []
    const keys = ['kubernetes.io/hostname', 'topology.kubernetes.io/zone']
    expect(spread.map(({ topologyKey }) => topologyKey)).toEqual(keys)
    for (const { labelSelector } of spread)
      expect(labelSelector?.matchLabels).toEqual(spec?.selector.matchLabels)
    const name = 'dormouse-gateway'
    const budget = await rendered<V1PodDisruptionBudget>('PodDisruptionBudget', name, EXTERNAL)
    expect(budget.spec?.unhealthyPodEvictionPolicy).toBe('AlwaysAllow')
  })

  it('gives no key of the store where the accounts have an identity of their own', async () => {
    const role = { 'eks.amazonaws.com/role-arn': 'arn:aws:iam::1:role/dormouse' }
    const store = {
      endpoint: 'https://s3.example.com',
      ownIdentity: true,
      accountAnnotations: role,
    }
    const values = { ...EXTERNAL, store }
    const { spec } = await rendered<V1Deployment>('Deployment', 'dormouse-data-worker', values)
    const env = spec?.template.spec?.containers[0]?.env ?? []
    expect(env).toContainEqual({ name: 'S3_CREDENTIALS', value: 'identity' })
    expect(env.map(({ name }) => name)).not.toContain('S3_ACCESS_KEY_ID')
    const account = (name: string) =>
      rendered<V1ServiceAccount>('ServiceAccount', `dormouse-${name}`, values)
    expect((await account('data-worker')).metadata?.annotations).toEqual(role)
    expect((await account('gateway')).metadata?.annotations).toBeUndefined()
  })

  it.each(['api', 'worker', 'data-worker', 'observer'])(
    'tells %s how Temporal knows it',
    async (name) => {
      const temporal = { ...EXTERNAL.temporal, existingSecret: 'temporal', tls: true }
      const values = { ...EXTERNAL, temporal }
      const { spec } = await rendered<V1Deployment>('Deployment', `dormouse-${name}`, values)
      const env = spec?.template.spec?.containers[0]?.env
      expect(env).toContainEqual({ name: 'TEMPORAL_TLS', value: 'true' })
      const ref = { name: 'temporal', key: 'TEMPORAL_API_KEY', optional: true }
      expect(env).toContainEqual({ name: 'TEMPORAL_API_KEY', valueFrom: { secretKeyRef: ref } })
    },
  )

  it('tells the workers of every namespace that has pods', async () => {
    const { spec } = await rendered<V1Deployment>('Deployment', 'dormouse-observer', EVERYTHING)
    expect(spec?.template.spec?.containers[0]?.env).toContainEqual({
      name: 'DORMOUSE_KUBERNETES_MORE_NAMESPACES',
      value: 'group-one,group-two',
    })
  })

  it.each([
    ['nothing', {}, 'api.origin is not set'],
    ['no database', { ...EXTERNAL, database: {} }, 'database.existingSecret is not set'],
    ['a servers’ set and a database', { ...EXTERNAL, ...TRYOUT }, 'tryout.enabled brings its own'],
    [
      'neither keys nor an identity',
      { ...EXTERNAL, store: { endpoint: 'https://s3.example.com' } },
      'or store.ownIdentity=true',
    ],
    ['one worker', { ...EXTERNAL, worker: { replicas: 1 } }, "'/worker/replicas': minimum: got 1"],
    [
      'more replicas than the autoscaler may have',
      { ...EXTERNAL, gateway: { ...EXTERNAL.gateway, replicas: 11 } },
      'gateway.replicas is 11 and gateway.autoscaling.maxReplicas 10',
    ],
    ['a setting that is none', { ...EXTERNAL, gatway: {} }, "properties 'gatway' not allowed"],
    ['a path in an origin', { ...EXTERNAL, api: { origin: 'https://a/b' } }, "'/api/origin'"],
    [
      'an empty allow-list',
      { ...EXTERNAL, workloads: { egress: { shared: 'allow-list' } } },
      'workloads.egress.allowList is empty',
    ],
    [
      'computes in its own namespace',
      { ...EXTERNAL, workloads: { namespace: 'dormouse-system' } },
      'computes need one of their own',
    ],
  ])('says what is wrong with %s', async (_what, values, because) => {
    await expect(render(values)).rejects.toThrow(because)
  })
})

/** values.yaml as JSON, read by helm itself. */
const values = async (): Promise<string> => {
  const probe = path.join(dir, 'probe')
  await runTool('cp', ['-r', CHART, probe])
  await runTool('rm', ['-r', path.join(probe, 'templates')])
  await runTool('mkdir', [path.join(probe, 'templates')])
  await writeFile(path.join(probe, 'templates/values.yaml'), 'all: {{ .Values | toJson | quote }}')
  const rendered = await helm(['template', 'probe', probe])
  return JSON.parse(rendered.slice(rendered.indexOf('all: ') + 5).trim()) as string
}
