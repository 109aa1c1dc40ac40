import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readEvents } from '../records/events.ts'
import type { ComputeState } from '../workflows/compute/contract.ts'
import { createControlActivities } from './index.ts'
import { startGround, type Ground } from './testing/ground.ts'

const MORNINGS = { timezone: 'UTC', hibernate: ['0 20 * * *'], wake: ['0 8 * * *'] }
const MORNING = '2026-11-20T08:00:00.000Z'
const NEXT_MORNING = '2026-11-21T08:00:00.000Z'
const EVENING = '2026-11-20T20:00:00.000Z'

describe('a schedule', () => {
  let ground: Ground
  beforeAll(async () => {
    ground = await startGround()
  })
  afterAll(() => ground.end())

  const planned = async (ownerId: string, state: ComputeState): Promise<string> => {
    const id = await ground.newCompute()
    const owner = { id: ownerId, email: `${ownerId}@suite`, name: ownerId, password_hash: '' }
    await ground.db
      .insertInto('users')
      .values(owner)
      .onConflict((on) => on.doNothing())
      .execute()
    const schedule = JSON.stringify(MORNINGS)
    const change = { owner_id: ownerId, state, schedule }
    await ground.db.updateTable('computes').set(change).where('id', '=', id).execute()
    return id
  }
  const asked = (ids: readonly string[]) =>
    ground.doors.commands.filter(({ computeId }) => ids.includes(computeId))
  const refusals = async (computeId: string) =>
    (await readEvents(ground.db, { computeId, limit: 100 })).filter(
      ({ type }) => type === 'compute.wake_refused',
    )

  it('that is set or cleared is an event with who did it, and one that stays is none', async () => {
    const { applySchedule } = createControlActivities(ground.deps)
    const computeId = await ground.newCompute()
    const cause = { reason: 'user', actor: 'user:ann' } as const
    for (const schedule of [MORNINGS, MORNINGS, null])
      await applySchedule({ computeId, schedule, cause })
    const told = await readEvents(ground.db, { computeId, limit: 100 })
    expect(told.filter(({ type }) => type === 'compute.scheduled')).toMatchObject([
      { ...cause, data: { schedule: MORNINGS } },
      { ...cause, data: { schedule: null } },
    ])
  })

  it('wakes no more computes of one user than may be up, says so, and asks again at its next line', async () => {
    const { convergeToSchedule } = createControlActivities({ ...ground.deps, computesUpPerUser: 3 })
    const up = await planned('ann', 'running')
    const asleep = await Promise.all([1, 2, 3, 4].map(() => planned('ann', 'hibernated')))
    const all = [up, ...asleep]
    const at = (scheduledAt: string) =>
      Promise.all(all.map((computeId) => convergeToSchedule({ computeId, scheduledAt })))
    await at(MORNING)
    // Tried again, as after an answer that was lost.
    await at(MORNING)
    const woken = new Set(asked(asleep).map(({ computeId }) => computeId))
    expect(woken.size).toBe(2)
    const left = asleep.filter((id) => !woken.has(id))
    for (const id of left) {
      const [told, ...more] = await refusals(id)
      expect(more).toEqual([])
      expect(told).toMatchObject({ reason: 'schedule', actor: 'system:schedule', generation: 0 })
      const quota = { quota: 'computes_up', used: 3, cap: 3 }
      expect(told?.data).toMatchObject({ ...quota, scheduledAt: MORNING })
      expect(told?.data['message']).toContain('Hibernate one')
    }
    for (const id of [up, ...woken]) expect(await refusals(id)).toEqual([])

    await at(EVENING)
    expect(asked(left).map(({ name }) => name)).toEqual(['hibernate', 'hibernate'])
    // Long after those of the morning were asked to wake.
    const change = { state: 'hibernated', wake_asked_at: null } as const
    await ground.db.updateTable('computes').set(change).where('id', 'in', all).execute()
    const later = createControlActivities({ ...ground.deps, computesUpPerUser: 3 })
    for (const computeId of left)
      await later.convergeToSchedule({ computeId, scheduledAt: NEXT_MORNING })
    expect(asked(left).filter(({ name }) => name === 'wake')).toHaveLength(2)
  })

  it('puts to sleep whatever else is up, and one owner’s computes are not another’s', async () => {
    const { convergeToSchedule } = createControlActivities({ ...ground.deps, computesUpPerUser: 1 })
    const [bobs, cids] = [await planned('bob', 'running'), await planned('cid', 'hibernated')]
    await planned('bob', 'running')
    await convergeToSchedule({ computeId: bobs, scheduledAt: EVENING })
    await convergeToSchedule({ computeId: cids, scheduledAt: MORNING })
    expect(asked([bobs, cids]).map(({ name }) => name)).toEqual(['hibernate', 'wake'])
  })
})
