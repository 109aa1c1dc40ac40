import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { killComponent, startComponent, startMissing } from '../deploy/cluster/outages.ts'
import { figure } from './figures.ts'
import { survivesOutage } from './promises/cluster-outages.ts'
import { nothingIsLeft } from './promises/lifecycles.ts'
import * as kills from './promises/sandbox-kills.ts'
import { objectsOf, orphansOf } from './support/cluster-leftovers.ts'
import { clusterSite } from './support/cluster-site.ts'
import { startStack, type ServiceName, type Stack } from './support/stack.ts'
import { visit, type Visitor } from './support/visitor.ts'

let stack: Stack
let visitor: Visitor
let objects: readonly string[]
beforeAll(async () => {
  stack = await startStack({ site: clusterSite })
  visitor = await visit(stack)
  objects = await objectsOf(stack)
})
afterAll(async () => {
  // Whatever failed: the next suite finds a cluster that is whole.
  await startMissing()
  await stack?.stop()
})

const nothingOfAnyKindIsLeft = async (untilSwept = false) => {
  await nothingIsLeft(stack)
  await expect
    .poll(() => orphansOf(stack, { untilSwept }), { timeout: 60_000, interval: 1_000 })
    .toEqual([])
  // What belonged to a pod goes after it, by the cluster's own collector.
  await expect.poll(() => objectsOf(stack), { timeout: 60_000, interval: 1_000 }).toEqual(objects)
}

/** Of a case that failed: it must not fail the next one, too, nor its own second try. */
const removeLiving = async (): Promise<void> => {
  await startMissing()
  const living = stack.db.selectFrom('computes').select('id').where('state', '<>', 'terminated')
  const ids = (await living.execute()).map(({ id }) => id)
  for (const id of ids) await visitor.client.computes.remove(id, { purge: true, wait: 60 })
}

describe('in the middle of provision, save, wake and delete', () => {
  const component = (name: Parameters<typeof killComponent>[0]) => ({
    strike: () => killComponent(name),
    end: () => startComponent(name),
  })
  const service = (name: ServiceName) => ({
    strike: () => stack.kill(name),
    end: () => stack.start(name),
  })
  const PARTS = {
    kubelet: component('kubelet'),
    'the API server': component('kube-apiserver'),
    etcd: component('etcd'),
    'the observer': service('observer'),
    'the worker': service('worker'),
    'the data worker': service('data-worker'),
  } as const

  afterEach(async ({ task }) => {
    if (task.result?.state === 'fail') await removeLiving()
  })

  const names = Object.keys(PARTS) as (keyof typeof PARTS)[]
  // The workers die again and again in R1; in a CI run that is enough.
  it.each(names.slice(0, figure(6, 4)))(
    '%s is killed: each ends where it was going, with its tree, and nothing is left',
    async (part) => {
      const shape = { lastsMs: 1_500, laterMs: 500, noiseMib: 16 }
      for (let round = 0; round < figure(3, 1); round++)
        console.log(part, await survivesOutage(stack, visitor, { ...PARTS[part], ...shape }))
      await nothingOfAnyKindIsLeft(part === 'the data worker')
    },
  )
})

describe('the sandbox of a pod is killed', () => {
  const grounds = () => ({ stack, visitor })
  describe.concurrent('in the middle of', () => {
    it('its start: another one takes its place', () => kills.survivesKillOfNewSandbox(grounds()))
    it('its wake: another one gets the whole tree', () =>
      kills.survivesKillOfWakingSandbox(grounds()))
    it('a save: the checkpoint before is what is left, and the event says since when', () =>
      kills.losesWhatNoSaveHas(grounds()))
    it('its end, after it was saved: nothing is lost', () => kills.losesNothingOnceSaved(grounds()))
    it('the last save, of a delete: it goes, and the event says unsaved', () =>
      kills.deletesWhatCannotBeSaved(grounds()))
  })
  it('and nothing is left of them', async () => {
    // Those that went well are gone: each has seen its own end.
    await removeLiving()
    await nothingOfAnyKindIsLeft()
  })
})
