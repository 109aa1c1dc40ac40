import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { apply } from '../cluster/kubectl.ts'
import { newId } from '../../records/ids.ts'
import { TIERS } from '../../config/tiers.ts'
import { installWorkloads, kubectl, type Workloads } from '../../test/support/workloads.ts'
import { computeOf, listener } from './testing/pods.ts'

const namespace = `admission-${newId().slice(0, 8)}`
const place = { namespace, name: 'one' }
const good = computeOf(namespace, 'shared')
let walls: Workloads

beforeAll(async () => {
  walls = await installWorkloads(namespace)
  // A policy holds from the moment the API server has read it, a second or so after it was made.
  await vi.waitFor(
    async () => {
      const said = await refusal(listener(place, { ...good, spec: {} }))
      if (!said.includes('RuntimeClass gvisor')) throw new Error(`not refused: ${said}`)
    },
    { timeout: 30_000 },
  )
})
afterAll(() => walls?.end())

/** What the cluster says to the pod; empty when it takes it. */
const refusal = async (pod: unknown): Promise<string> => {
  try {
    await apply(process.env['KUBECONFIG'] ?? '', [pod])
    await kubectl(['delete', 'pod', '-n', namespace, place.name, '--now', '--wait=true'])
    return ''
  } catch (error) {
    return String(error)
  }
}

const container = (changes: object) => ({ ...listener(place).spec.containers[0], ...changes })
const withContainer = (changes: object) =>
  listener(place, { ...good, spec: { ...good.spec, containers: [container(changes)] } })
const withSpec = (changes: object) =>
  listener(place, { ...good, spec: { ...good.spec, ...changes } })

const NODE_ROOT = { name: 'root', hostPath: { path: '/' } }
const SECRET = { name: 'key', secret: { secretName: 'key' } }
const SECRET_ENV = { name: 'KEY', valueFrom: { secretKeyRef: { name: 'key', key: 'key' } } }
const HOST_PORT = { containerPort: 7070, hostPort: 7070 }
const PRIVILEGED = { privileged: true, readOnlyRootFilesystem: true }
const WRITABLE = { ...container({}).securityContext, readOnlyRootFilesystem: false }

describe('a pod in the namespace of computes', () => {
  it('is taken when it is as the platform makes them', async () => {
    expect(await refusal(listener(place, good))).toBe('')
  })

  it.each([
    ['on the network of the node', withSpec({ hostNetwork: true })],
    ['with a folder of the node', withSpec({ volumes: [NODE_ROOT] })],
    ['that is privileged', withContainer({ securityContext: { privileged: true } })],
    ['that runs as root', withSpec({ securityContext: { runAsUser: 0 } })],
  ])('%s is refused by Pod Security', async (_what, pod) => {
    expect(await refusal(pod)).toContain('violates PodSecurity "restricted')
  })

  it('that is larger than every tier is refused', async () => {
    const huge = withContainer({ resources: { limits: { cpu: '64', memory: '1Gi' } } })
    expect(await refusal(huge)).toContain('maximum cpu usage')
  })
})

describe('without Pod Security, a pod in the namespace of computes', () => {
  beforeAll(async () => {
    const label = 'pod-security.kubernetes.io/enforce=privileged'
    await kubectl(['label', 'namespace', namespace, label, '--overwrite'])
  })

  it('is taken when it is as the platform makes them', async () => {
    expect(await refusal(listener(place, good))).toBe('')
  })

  it.each([
    ['without the runtime class', listener(place, { ...good, spec: {} }), 'RuntimeClass gvisor'],
    ['without our labels', listener(place, { spec: good.spec }), 'labelled so'],
    ['of another installation', listener(place, computeOf('other', 'shared')), 'labelled so'],
    ['on the network of the node', withSpec({ hostNetwork: true }), 'no namespace of the node'],
    ['with a folder of the node', withSpec({ volumes: [NODE_ROOT] }), 'nothing of the node'],
    ['with a secret', withSpec({ volumes: [SECRET] }), 'no secret is mounted'],
    ['with an account', withSpec({ automountServiceAccountToken: true }), 'mounted'],
    ['that is privileged', withContainer({ securityContext: PRIVILEGED }), 'gains no privileges'],
    ['with a root to write to', withContainer({ securityContext: WRITABLE }), 'read-only root'],
    ['with env of a secret', withContainer({ env: [SECRET_ENV] }), 'reads no secret'],
    ['with a port of the node', withContainer({ ports: [HOST_PORT] }), 'no port of the node'],
  ])('%s is refused', async (_what, pod, because) => {
    expect(await refusal(pod)).toContain(because)
  })

  it('takes no debugging container once it runs, and keeps its network', async () => {
    await apply(process.env['KUBECONFIG'] ?? '', [listener(place, good)])
    const pod = ['--namespace', namespace, 'pod/one']
    const debug = { ephemeralContainers: [{ name: 'debug', image: 'x' }] }
    await expect(
      kubectl(['patch', ...pod, '--subresource', 'ephemeralcontainers', '-p', patch(debug)]),
    ).rejects.toThrow('no container is put into a running compute')
    await expect(
      kubectl(['label', ...pod, 'dormouse.dev/network=none', '--overwrite']),
    ).rejects.toThrow('chosen when its pod is made')
    await kubectl(['delete', ...pod, '--now'])
  })
})

const patch = (spec: object): string => JSON.stringify({ spec })

describe('quota', () => {
  it('is the sum of the tiers there is room for', async () => {
    const counts = { tiny: 20, basic: 40, standard: 10, premium: 2 } as const
    const sum = (of: (tier: (typeof TIERS)[keyof typeof TIERS]) => number) =>
      Object.entries(counts).reduce(
        (total, [name, count]) => total + count * of(TIERS[name as keyof typeof TIERS]),
        0,
      )
    const quota = JSON.parse(
      await kubectl(['get', 'resourcequota', 'computes', '-n', namespace, '-o', 'json']),
    ) as { spec: { hard: Record<string, string> } }
    expect(quota.spec.hard).toMatchObject({
      pods: '72',
      'requests.cpu': `${sum(({ cpuMillis }) => cpuMillis.request)}m`,
      'requests.memory': `${sum(({ memoryBytes }) => memoryBytes.request) / 1024 ** 2}Mi`,
    })
  })
})
