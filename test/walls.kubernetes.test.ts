import { NetworkingV1Api } from '@kubernetes/client-node'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { connectCluster } from '../activities/adapters/kubernetes/cluster.ts'
import { clusterSite } from './support/cluster-site.ts'
import { startStack, type Stack } from './support/stack.ts'
import { visit, type Visitor } from './support/visitor.ts'

let stack: Stack
let visitor: Visitor
// It takes its own walls down: each try has others.
beforeEach(async () => {
  stack = await startStack({ site: clusterSite })
  visitor = await visit(stack)
})
afterEach(() => stack?.stop())

it('where the network policy does not hold no user comes in, and the reason says so', async () => {
  const { client } = visitor
  const walled = await client.computes.create({ tier: 'tiny' }, { wait: 60 })
  expect(walled.state).toBe('running')

  const { config, core } = connectCluster(process.env['KUBECONFIG'])
  const { spec } = await core.readNamespacedService({ namespace: 'default', name: 'kubernetes' })
  const reach = `import socket; socket.create_connection(("${spec?.clusterIP}", 443), 2)`
  const reached = () =>
    visitor.run(walled.id, `python3 -c '${reach}' 2>/dev/null && echo yes || echo no`)
  expect(await reached()).toBe('no\n')
  const namespace = stack.env['DORMOUSE_KUBERNETES_NAMESPACE'] ?? ''
  await config.makeApiClient(NetworkingV1Api).deleteCollectionNamespacedNetworkPolicy({ namespace })
  // A compute starts sooner than a network plugin hears of it.
  await expect.poll(reached, { timeout: 30_000 }).toBe('yes\n')

  const { id } = await client.computes.create({ tier: 'tiny' })
  await expect
    .poll(async () => (await client.computes.get(id)).problem, { timeout: 60_000, interval: 100 })
    .toMatchObject({
      code: 'IsolationUnavailable',
      message: expect.stringContaining('network policy does not hold'),
    })
  expect(await visitor.state(id)).not.toBe('running')
})
