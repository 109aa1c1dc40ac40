import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { answersLegallyUnderRaces } from './promises/commands-at-once.ts'
import {
  keepsAcknowledgedWrites,
  keepsEveryFile,
  survivesKilledSaves,
} from './promises/fidelity.ts'
import { raceToPublish, startHeldUpWorker } from './promises/late-publishers.ts'
import { survivesKillStorm } from './promises/lifecycles.ts'
import { forEachAtOnce } from './support/at-once.ts'
import { clusterSite } from './support/cluster-site.ts'
import { startStack, type Stack } from './support/stack.ts'
import { visit, type Visitor } from './support/visitor.ts'

describe('the promises, with computes as pods', () => {
  let stack: Stack
  let visitor: Visitor
  beforeAll(async () => {
    stack = await startStack({ site: clusterSite })
    visitor = await visit(stack)
  })
  afterAll(() => stack?.stop())

  it('D1: 3 cycles by request, 1,000 small files and 8 MiB, give every file back', () =>
    keepsEveryFile(visitor, { cycles: 3, by: 'request', smallFiles: 1_000, contiguousMib: 8 }))

  it('D2: 2 cycles by the idle timer give every file back', () =>
    keepsEveryFile(visitor, { cycles: 2, by: 'idle timer', smallFiles: 200, contiguousMib: 1 }))

  it('D3: 2 hibernations under a writer lose no acknowledged write', () =>
    keepsAcknowledgedWrites(visitor, 2))

  it('D4: 3 kills while 2 computes save', async () => {
    const shape = { kills: 3, atOnce: 2, smallFiles: 300, contiguousMib: 4 }
    console.log('D4', await survivesKilledSaves(stack, visitor, shape))
  })

  it('R1: 6 lives, 3 at once, every service killed in turn every 5–10 s', async () => {
    const result = await survivesKillStorm(stack, visitor, {
      lifecycles: 6,
      atOnce: 3,
      kill: ['worker', 'data-worker', 'api', 'gateway'],
      everyMs: [5_000, 10_000],
    })
    console.log('R1', result)
  })

  it('R8: 5 wakes, hibernates and deletes at once in all pairs answer legally', () =>
    answersLegallyUnderRaces(visitor, 5))

  it('two live workers that save one pod at the same time, 50 times: the newest is the head, and nothing a fork', async () => {
    const { client } = visitor
    const before = (await client.filesystems.page()).items.length
    const { id } = await client.computes.create({ name: 'raced for' }, { wait: 60 })
    const workers = [startHeldUpWorker(stack), startHeldUpWorker(stack)] as const
    try {
      const counts = await raceToPublish(
        workers,
        { computeId: id, generation: 1 },
        { rounds: 50, write: (round) => visitor.run(id, `echo ${round} > raced`) },
      )
      console.log('two workers racing', counts)
      expect(counts['gave way'], 'they met').toBeGreaterThan(0)
    } finally {
      await Promise.all(workers.map((worker) => worker.close()))
    }
    await client.computes.hibernate(id, { wait: 60 })
    await client.computes.wake(id, { wait: 60 })
    expect(await visitor.run(id, 'cat raced')).toBe('49\n')
    expect((await client.filesystems.page()).items).toHaveLength(before + 1)
    await client.computes.remove(id, { wait: 60, purge: true })
  })

  it('20 tiny computes at once come up, hibernate to no pod, and wake', async () => {
    const { client } = visitor
    // What others deleted has a while to end.
    await expect.poll(() => stack.sandboxes(), { timeout: 120_000 }).toEqual([])
    const ids: string[] = []
    onTestFinished(async () => {
      for (const id of ids) await client.computes.remove(id, { purge: true }).catch(() => undefined)
    })
    await forEachAtOnce(20, 20, async (n) => {
      const { id } = await client.computes.create(
        { name: `crowd ${n}`, tier: 'tiny' },
        { wait: 60 },
      )
      ids.push(id)
      await visitor.until(id, 'running', 120_000)
      await visitor.run(id, `echo ${id} > whose`)
    })
    expect(new Set(await stack.sandboxes()).size).toBe(20)
    await forEachAtOnce(20, 20, async (n) => {
      await client.computes.hibernate(ids[n]!, { wait: 60 })
      await visitor.until(ids[n]!, 'hibernated', 120_000)
    })
    expect(await stack.sandboxes()).toEqual([])
    await forEachAtOnce(20, 20, async (n) => {
      await client.computes.wake(ids[n]!, { wait: 60 })
      await visitor.until(ids[n]!, 'running', 120_000)
      expect(await visitor.run(ids[n]!, 'cat whose')).toBe(`${ids[n]}\n`)
      await client.computes.remove(ids[n]!, { wait: 60, purge: true })
    })
  })
})
