import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findComputeRecord } from '../records/compute-views.ts'
import { readEvents } from '../records/events.ts'
import type { ActivityStatus } from '../sidekick/protocol.ts'
import { createControlActivities } from './index.ts'
import { tellingOfMemory } from './memory-ends.ts'
import { startGround, type Ground } from './testing/ground.ts'

const cause = { reason: 'created', actor: 'user:suite' } as const

describe('a process that was ended for memory', () => {
  let ground: Ground
  beforeAll(async () => {
    ground = await startGround()
  })
  afterAll(() => ground.end())

  /** A real compute, whose sidekick says in addition what `says` holds. */
  const start = async () => {
    const computeId = await ground.newCompute()
    const target = { computeId, generation: 1 }
    await ground.control.provision({ ...target, as: 'provisioning', cause })
    const says: { endedForMemory?: unknown } = {}
    const speaking = {
      ...ground.sidekick,
      activity: async (...asked: Parameters<typeof ground.sidekick.activity>) =>
        ({ ...(await ground.sidekick.activity(...asked)), ...says }) as ActivityStatus,
    }
    const sidekick = tellingOfMemory(speaking, ground.db)
    const { probe } = createControlActivities({ ...ground.deps, sidekick })
    const told = async () =>
      (await readEvents(ground.db, { computeId, limit: 100 }))
        .filter(({ type }) => type === 'compute.process_ended')
        .map(({ generation, reason, actor, data }) => ({ generation, reason, actor, data }))
    return { target, says, probe: () => probe(target), told }
  }

  it('is an event of its compute, once, however often the sidekick is asked', async () => {
    const { target, says, probe, told } = await start()
    await probe()
    expect(await told()).toEqual([])
    says.endedForMemory = { count: 1, last: [{ name: 'python3', agoMs: 5_000 }] }
    await Promise.all([probe(), probe(), probe()])
    await probe()
    const [first, ...more] = await told()
    expect(more).toEqual([])
    expect(first).toMatchObject({ generation: 1, reason: 'out_of_memory' })
    expect(first).toMatchObject({ actor: 'system:sidekick', data: { process: 'python3' } })
    const agoMs = Date.now() - Date.parse(String(first?.data['at']))
    expect(agoMs).toBeGreaterThanOrEqual(5_000)
    expect(agoMs).toBeLessThan(60_000)
    const { memory_ended_at } = (await findComputeRecord(ground.db, target.computeId)) ?? {}
    expect(memory_ended_at?.toISOString()).toBe(first?.data['at'])
    // Only what came since is news.
    const last = ['python3', 'node', 'node'].map((name) => ({ name, agoMs: 0 }))
    says.endedForMemory = { count: 3, last }
    await probe()
    expect((await told()).slice(1)).toMatchObject([{ data: { process: 'node', count: 2 } }])
  })

  it('is told of in bounds, whatever a taken over sidekick says; and the answer is an answer', async () => {
    const { says, probe, told } = await start()
    for (const odd of [
      ...[null, 7, {}, { count: -1 }, { count: 1.5, last: [] }, { count: '1e999', last: 3 }],
    ]) {
      says.endedForMemory = odd
      expect(await probe()).toMatchObject({ idleForMs: expect.any(Number) })
    }
    expect(await told()).toEqual([])
    const long = { name: `\u0000\u001b[2J${'x'.repeat(100_000)}`, agoMs: 1e300 }
    says.endedForMemory = { count: 1e15, last: Array.from({ length: 1000 }, () => long) }
    await probe()
    says.endedForMemory = { count: 1e15 + 1, last: [null, { name: {} }] }
    await probe()
    const events = await told()
    expect(events).toHaveLength(1)
    expect(JSON.stringify(events).length).toBeLessThan(300)
  })
})
