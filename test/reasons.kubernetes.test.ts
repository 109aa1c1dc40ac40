import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connectCluster, type Cluster } from '../activities/adapters/kubernetes/cluster.ts'
import { removeImage, tagImage } from '../deploy/cluster/containerd.ts'
import { newId } from '../records/ids.ts'
import type { Compute, NewCompute } from '../sdk/types.ts'
import { clusterSite } from './support/cluster-site.ts'
import { startStack, type Stack } from './support/stack.ts'
import { visit, type Visitor } from './support/visitor.ts'
import { kubectl } from './support/workloads.ts'

const TOLD_WITHIN_MS = 10_000
/** Five minutes, were there time. */
const RETRIED_FOR_MS = 15_000

/** What keeps a pod from coming up has a name in the API, and an end once its cause has one. */
describe('why a compute does not come up', () => {
  // Nodes are chosen by the RuntimeClass: so that "no node fits" takes no node away from other suites.
  const name = `suite-${newId()}`
  const node = { label: `${name}/computes`, name: '' }
  let cluster: Cluster
  let registry: Server
  let stack: Stack
  let visitor: Visitor
  let namespace: string

  const labelNode = (change: '=yes' | '-') =>
    kubectl(['label', 'node', node.name, `${node.label}${change}`])

  beforeAll(async () => {
    cluster = connectCluster(process.env['KUBECONFIG'])
    node.name = (await cluster.core.listNode()).items[0]?.metadata?.name ?? ''
    await labelNode('=yes')
    await cluster.nodes.createRuntimeClass({
      body: {
        metadata: { name },
        handler: 'runsc',
        scheduling: { nodeSelector: { [node.label]: 'yes' } },
      },
    })
    registry = await emptyRegistry()
    stack = await startStack({
      site: (suite) => clusterSite(suite, { workloads: { runtimeClass: { name } } }),
      env: {
        DORMOUSE_KUBERNETES_RUNTIME_CLASS: name,
        DORMOUSE_KUBERNETES_IMAGE_PULL_POLICY: 'IfNotPresent',
        DORMOUSE_PROVISION_RETRY_FOR_MS: String(RETRIED_FOR_MS),
      },
    })
    namespace = stack.env['DORMOUSE_KUBERNETES_NAMESPACE'] ?? ''
    visitor = await visit(stack)
  })
  afterAll(async () => {
    await stack?.stop()
    registry?.close()
    await cluster.nodes.deleteRuntimeClass({ name }).catch(() => undefined)
    await labelNode('-')
  })

  /** Asked for and refused: told in time, tried again, then `failed`; every time with that reason. */
  const failsWith = async (code: string, wanted: NewCompute): Promise<Compute> => {
    const { client } = visitor
    const askedAt = performance.now()
    const { id } = await client.computes.create({ tier: 'tiny', ...wanted })
    let told: Compute['problem'] = null
    const problem = async () => (told = (await client.computes.get(id)).problem)
    await expect.poll(problem, { timeout: 30_000, interval: 50 }).not.toBeNull()
    const toldMs = performance.now() - askedAt
    // As it was told then: the next try may be under way by now.
    expect(told).toMatchObject({ code, retryable: true })
    expect(toldMs).toBeLessThan(TOLD_WITHIN_MS)
    expect(await visitor.state(id)).not.toBe('failed')

    const failed = await visitor.until(id, 'failed', 60_000)
    const failedMs = performance.now() - askedAt
    expect(failed).toMatchObject({ reason: 'provision_failed', problem: { code } })
    const { items } = await client.events.page({ computeId: id })
    const tries = items.filter((event) => JSON.stringify(event.data).includes(`"${code}"`))
    expect(tries.length).toBeGreaterThanOrEqual(3)
    expect(await stack.sandboxes(id)).toEqual([])
    console.log(
      `${code}: told after ${Math.round(toldMs)} ms, ${tries.length - 1} more tries, failed after ${Math.round(failedMs)} ms: ${failed.problem?.message}`,
    )
    return failed
  }

  const comesUp = async (id: string): Promise<void> => {
    const askedAt = performance.now()
    await visitor.client.computes.retry(id)
    const up = await visitor.until(id, 'running', 60_000)
    console.log(`retry to running: ${Math.round(performance.now() - askedAt)} ms`)
    expect(up.problem).toBeNull()
    expect(await visitor.run(id, 'echo up')).toBe('up\n')
    await visitor.client.computes.remove(id, { wait: 60, purge: true })
  }

  it('an image that its registry does not have: ImagePullFailed, until it has it', async () => {
    const { port } = registry.address() as AddressInfo
    const reference = `127.0.0.1:${port}/tools:${newId()}`
    const image_name = `tools-${newId()}`
    await visitor.client.images.create({ name: image_name, reference })
    const { id, problem } = await failsWith('ImagePullFailed', { image_name })
    expect(problem?.message).toContain(reference)
    await tagImage(stack.env['DORMOUSE_KUBERNETES_BASE_IMAGE'] ?? '', reference)
    try {
      await comesUp(id)
    } finally {
      await removeImage(reference)
    }
  })

  it('a quota that is used up: QuotaExceeded, until it is raised', async () => {
    const { core } = cluster
    const tight = { namespace, name: 'tight' }
    const ofPods = (pods: string) => ({ metadata: { name: 'tight' }, spec: { hard: { pods } } })
    const enforced = async (pods: string) => {
      const hard = async () => (await core.readNamespacedResourceQuota(tight)).status?.hard
      await expect.poll(hard, { timeout: 30_000 }).toEqual({ pods })
    }
    await core.createNamespacedResourceQuota({ namespace, body: ofPods('0') })
    try {
      await enforced('0')
      const { id, problem } = await failsWith('QuotaExceeded', {})
      expect(problem?.message).toContain('tight')
      await core.replaceNamespacedResourceQuota({ ...tight, body: ofPods('1') })
      await enforced('1')
      await comesUp(id)
    } finally {
      await core.deleteNamespacedResourceQuota(tight)
    }
  })

  it('no node that it may be on: NoNodeFits, until there is one', async () => {
    await labelNode('-')
    const { id } = await failsWith('NoNodeFits', {})
    await labelNode('=yes')
    await comesUp(id)
  })
})

/** A registry that has no image at all: its every answer is that of one that was asked for another. */
const emptyRegistry = (): Promise<Server> =>
  new Promise((resolve) => {
    const server = createServer((request, answer) => {
      const code = request.url === '/v2/' ? 200 : 404
      const errors = [{ code: 'MANIFEST_UNKNOWN', message: 'manifest unknown' }]
      answer.writeHead(code, { 'content-type': 'application/json' })
      answer.end(JSON.stringify(code === 200 ? {} : { errors }))
    })
    server.listen(0, '127.0.0.1', () => resolve(server))
  })
