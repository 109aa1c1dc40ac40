import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { visit, type Visitor } from '../../test/support/visitor.ts'
import { kubectl } from '../../test/support/workloads.ts'
import { installAll, type Installation } from './testing/installation.ts'
import { reached } from './testing/pods.ts'

let installed: Installation
let visitor: Visitor
beforeAll(async () => {
  installed = await installAll('tryout')
  visitor = await visit(installed)
})
afterAll(() => installed?.end())

const get = async (what: readonly string[], path: string) =>
  (await kubectl(['get', '-n', installed.system, ...what, '-o', `jsonpath={${path}}`])).split(' ')

/** `address:port` of every service and every pod of the platform and its servers. */
const insidePlatform = async (): Promise<readonly string[]> => {
  const services = await get(
    ['services'],
    'range .items[*]}{.spec.clusterIP}:{.spec.ports[0].port} {end',
  )
  const pods = await get(
    ['pods'],
    'range .items[*]}{.status.podIP}:{.spec.containers[0].ports[0].containerPort} {end',
  )
  return [...services, ...pods].filter(Boolean)
}
const firstPod = async (component: string) => {
  const [name = ''] = await get(
    ['pods', '-l', `app.kubernetes.io/component=${component}`],
    '.items[0].metadata.name',
  )
  return { namespace: installed.system, name }
}
describe('the chart with servers of its own', () => {
  it('is ready in every part', async () => {
    const answer = await fetch(`${installed.apiUrl}/readyz?strict=1`)
    expect(await answer.json()).toMatchObject({ status: 'ready' })
  })

  it('lets no compute reach its database, store, Temporal or services, before and after a wake', async () => {
    const { id } = await visitor.client.computes.create({ tier: 'tiny' })
    await visitor.until(id, 'running', 60_000)
    const addresses = await insidePlatform()
    expect(addresses.length).toBeGreaterThanOrEqual(5 + 11)
    // Somebody answers at each: a pod of the platform reaches them all.
    expect(await reached(await firstPod('gateway'), addresses)).toEqual(addresses)
    const compute = (generation: number) => ({
      namespace: installed.computes,
      name: `compute-${id}-${generation}`,
    })
    expect(await reached(compute(1), addresses)).toEqual([])
    await visitor.client.computes.hibernate(id)
    await visitor.until(id, 'hibernated', 60_000)
    await visitor.client.computes.wake(id)
    await visitor.until(id, 'running', 60_000)
    expect(await reached(compute(2), addresses)).toEqual([])
    await visitor.client.computes.remove(id)
    await visitor.until(id, 'terminated', 90_000)
  })
})
