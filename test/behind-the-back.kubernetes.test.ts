import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createKubernetesRuntime } from '../activities/adapters/kubernetes/runtime.ts'
import { anySpec } from '../activities/contracts/runtime.contract.ts'
import { kubernetesRuntimeConfig } from '../config/kubernetes.ts'
import { connectCluster } from '../activities/adapters/kubernetes/cluster.ts'
import { clusterSite } from './support/cluster-site.ts'
import { startStack, type Stack } from './support/stack.ts'
import { visit, type Visitor } from './support/visitor.ts'
import { kubectl } from './support/workloads.ts'

const newSpec = () => ({ ...anySpec(), image: { name: 'base', digest: 'base' } })

/** What others do to pods, and what becomes of the computes in them. */
describe('behind the platform’s back', () => {
  let stack: Stack
  let visitor: Visitor
  beforeAll(async () => {
    stack = await startStack({ site: clusterSite, env: { DORMOUSE_SWEEP_GRACE_MS: '3000' } })
    visitor = await visit(stack)
  })
  afterAll(() => stack?.stop())

  const { core } = connectCluster(process.env['KUBECONFIG'])
  const namespace = () => stack.env['DORMOUSE_KUBERNETES_NAMESPACE'] ?? ''
  const podOf = async (id: string): Promise<string> => {
    const { generation } = await visitor.client.computes.get(id)
    return `compute-${id}-${generation}`
  }
  const create = async (name: string): Promise<string> => {
    const { id } = await visitor.client.computes.create({ name, tier: 'tiny' }, { wait: 60 })
    await visitor.run(id, 'echo saved > ~/saved')
    await visitor.client.computes.checkpoint(id, { wait: 60 })
    await visitor.run(id, 'echo new > ~/new')
    return id
  }
  const untilGeneration = async (id: string, generation: number): Promise<void> => {
    await expect
      .poll(async () => (await visitor.client.computes.get(id)).generation, { timeout: 60_000 })
      .toBe(generation)
    await visitor.until(id, 'running', 60_000)
  }

  it('a pod that is killed: the compute comes back from its last checkpoint, and says why', async () => {
    const id = await create('killed')
    const killedAt = Date.now()
    await core.deleteNamespacedPod({
      ...{ namespace: namespace(), name: await podOf(id) },
      body: { gracePeriodSeconds: 0 },
    })
    await untilGeneration(id, 2)
    console.log(`killed to running again: ${Date.now() - killedAt} ms`)
    expect((await visitor.client.computes.get(id)).reason).toBe('lost')
    expect(await visitor.run(id, 'cat ~/saved; ls ~')).toBe('saved\nsaved\n')
  })

  it('a pod that is killed while nobody observes: the next observer tells, once the lease of the killed one is over', async () => {
    const id = await create('unobserved')
    await stack.kill('observer')
    const killedAt = Date.now()
    await core.deleteNamespacedPod({
      ...{ namespace: namespace(), name: await podOf(id) },
      body: { gracePeriodSeconds: 0 },
    })
    await stack.start('observer')
    await untilGeneration(id, 2)
    console.log(`observer killed to running again: ${Date.now() - killedAt} ms`)
    expect(await visitor.run(id, 'cat ~/saved; ls ~')).toBe('saved\nsaved\n')
  })

  it('a pod that somebody deletes in good order: saved first, moved, nothing lost', async () => {
    const id = await create('deleted')
    const name = await podOf(id)
    await core.deleteNamespacedPod({ namespace: namespace(), name })
    await untilGeneration(id, 2)
    expect((await visitor.client.computes.get(id)).reason).toBe('drain')
    expect(await visitor.run(id, 'cat ~/saved ~/new')).toBe('saved\nnew\n')
  })

  it('a pod that no row knows is swept', async () => {
    const config = kubernetesRuntimeConfig(stack.env)
    const planted = createKubernetesRuntime(config)
    const unknown = newSpec()
    await planted.ensure(unknown)
    await expect
      .poll(() => planted.inspect(unknown), { timeout: 60_000, interval: 500 })
      .toBe('gone')
  })

  it('a node that is cordoned: its computes are saved, and come up where there is room again', async () => {
    const id = await create('cordoned')
    const { spec } = await core.readNamespacedPod({
      ...{ namespace: namespace(), name: await podOf(id) },
    })
    const node = spec?.nodeName ?? ''
    await kubectl(['cordon', node])
    try {
      // The one node takes no more: saved, and its reason for waiting has a name.
      await expect
        .poll(async () => (await visitor.client.computes.get(id)).problem?.code, {
          timeout: 60_000,
        })
        .toBe('NoNodeFits')
    } finally {
      await kubectl(['uncordon', node])
    }
    await untilGeneration(id, 2)
    expect(await visitor.run(id, 'cat ~/saved ~/new')).toBe('saved\nnew\n')
  })
})
