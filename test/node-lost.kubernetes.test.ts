import { afterEach, beforeEach, expect, it } from 'vitest'
import { connectCluster } from '../activities/adapters/kubernetes/cluster.ts'
import {
  cutOff,
  killComponent,
  sandboxPid,
  startComponent,
  startMissing,
} from '../deploy/cluster/outages.ts'
import { nothingIsLeft } from './promises/lifecycles.ts'
import { startHeldUpWorker, type HeldUpWorker } from './promises/late-publishers.ts'
import { orphansOf } from './support/cluster-leftovers.ts'
import { clusterSite } from './support/cluster-site.ts'
import { startStack, type Stack } from './support/stack.ts'
import { visit, type Visitor } from './support/visitor.ts'

const PUBLICATIONS = 100
/** How long the control plane waits for word of a node, where it waits a minute elsewhere. */
const GRACE = '--node-monitor-grace-period=5s'

let stack: Stack
let visitor: Visitor
let late: HeldUpWorker
let reconnect = async (): Promise<void> => undefined
beforeEach(async () => {
  stack = await startStack({ site: clusterSite })
  visitor = await visit(stack)
  late = startHeldUpWorker(stack)
})
afterEach(async () => {
  await reconnect()
  await restartController()
  await startMissing()
  await late?.close()
  await stack?.stop()
})

const restartController = async (...args: readonly string[]): Promise<void> => {
  await killComponent('kube-controller-manager').catch(() => undefined)
  await startComponent('kube-controller-manager', args)
}

it(`a node that is not heard of: its computes start elsewhere from their last checkpoint, and what their old pods publish is refused, ${PUBLICATIONS} of ${PUBLICATIONS}`, async () => {
  const { client } = visitor
  const namespace = stack.env['DORMOUSE_KUBERNETES_NAMESPACE'] ?? ''
  const { core } = connectCluster(stack.env['KUBECONFIG'])
  const { id, filesystem_id } = await client.computes.create(
    { name: 'on a node that dies', tier: 'tiny' },
    { wait: 60 },
  )
  await visitor.makeTree(id, { seed: id, smallFiles: 50, contiguousMib: 1 })
  const hash = await visitor.hashTree(id)
  await client.computes.checkpoint(id, { wait: 60 })
  const checkpointedAt = Date.now()
  await visitor.run(id, 'echo late > tree/late')
  const old = { computeId: id, generation: 1 }
  for (let n = 0; n < PUBLICATIONS; n++) await late.saveHeldUp(old)
  const headOf = async () => (await client.filesystems.get(filesystem_id)).head_snapshot_id
  const head = await headOf()

  // The node is not heard of, and does not hear; what runs on it runs on.
  const pod = await core.readNamespacedPod({ namespace, name: `compute-${id}-1` })
  reconnect = await cutOff(pod.status?.podIP ?? '')
  await killComponent('kubelet')
  await restartController(GRACE)
  const toldAt = Date.now()
  const { items } = await told(id, 'compute.waking')
  console.log(`not heard of to told: ${Date.now() - toldAt} ms`)
  const loss = items.find(({ type }) => type === 'compute.waking')
  expect(loss?.reason).toBe('node_lost')
  expect(Date.parse(String(loss?.data['lossSince']))).toBeLessThanOrEqual(checkpointedAt)
  // The one node takes no more: the next generation waits, and says for what.
  await expect
    .poll(async () => (await client.computes.get(id)).problem?.code, { timeout: 60_000 })
    .toBe('NoNodeFits')
  expect((await client.computes.get(id)).generation).toBe(2)
  console.log(`not heard of to generation 2: ${Date.now() - toldAt} ms`)

  // It is heard again, alive, with what was written after the checkpoint.
  expect(await sandboxPid(namespace, `compute-${id}-1`), 'the old pod runs').toBeDefined()
  await reconnect()
  await expect(late.save(old)).rejects.toMatchObject({ name: 'StaleGeneration' })
  const outcomes = await late.goOn()
  expect(outcomes.filter(({ kind }) => kind === 'forked')).toHaveLength(PUBLICATIONS)
  expect(await headOf()).toBe(head)
  expect(await sandboxPid(namespace, `compute-${id}-1`), 'the old pod runs').toBeDefined()

  // The node is back: the old pod ends, the new one comes up with what was checkpointed.
  await restartController()
  await startComponent('kubelet')
  await visitor.until(id, 'running', 120_000)
  console.log(`not heard of to running: ${Date.now() - toldAt} ms`)
  expect(await visitor.hashTree(id)).toBe(hash)
  await expect
    .poll(() => sandboxPid(namespace, `compute-${id}-1`), { timeout: 60_000 })
    .toBeUndefined()
  await visitor.run(id, 'echo new > tree/new')
  await client.computes.checkpoint(id, { wait: 60 })
  expect(await headOf()).not.toBe(head)

  // What was refused is kept: any of them has what its pod had.
  const refused = outcomes.find((outcome) => outcome.kind === 'forked')
  const fork = await client.computes.create(
    { name: 'fork', tier: 'tiny', filesystem_id: refused?.filesystemId ?? '' },
    { wait: 60 },
  )
  expect(await visitor.run(fork.id, 'cat tree/late')).toBe('late\n')
  for (const one of [id, fork.id]) await client.computes.remove(one, { wait: 60, purge: true })
  await nothingIsLeft(stack)
  await expect.poll(() => orphansOf(stack), { timeout: 60_000 }).toEqual([])
})

const told = async (computeId: string, type: string) => {
  const page = () => visitor.client.events.page({ computeId, limit: 500 })
  await expect
    .poll(async () => (await page()).items.some((event) => event.type === type), {
      timeout: 60_000,
    })
    .toBe(true)
  return page()
}
