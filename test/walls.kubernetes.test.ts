import { NetworkingV1Api } from '@kubernetes/client-node'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { connectCluster } from '../activities/adapters/kubernetes/cluster.ts'
import { isProblem } from '../sdk/problem.ts'
import { clusterSite } from './support/cluster-site.ts'
import { startStack, type Stack } from './support/stack.ts'
import { visit, type Visitor } from './support/visitor.ts'

let stack: Stack
let visitor: Visitor
beforeAll(async () => {
  stack = await startStack({ site: clusterSite })
  visitor = await visit(stack)
})
afterAll(() => stack?.stop())

it('where the network policy does not hold no user comes in, and the reason says so', async () => {
  const { client } = visitor
  const walled = await client.computes.create({ tier: 'tiny' }, { wait: 60 })
  expect(walled.state).toBe('running')

  const { config } = connectCluster(process.env['KUBECONFIG'])
  const namespace = stack.env['DORMOUSE_KUBERNETES_NAMESPACE'] ?? ''
  await config.makeApiClient(NetworkingV1Api).deleteCollectionNamespacedNetworkPolicy({ namespace })

  const open = await client.computes
    .create({ tier: 'tiny' }, { wait: 60 })
    .catch((error: unknown) => {
      if (!isProblem(error)) throw error
      return error
    })
  const said = JSON.stringify(isProblem(open) ? { ...open, message: open.message } : open)
  expect(said).toContain('IsolationUnavailable')
  expect(said).toContain('network policy does not hold')
})
