import { afterAll, beforeAll, expect, test } from 'vitest'
import { PATIENT, startTemporalWorld, type TemporalWorld } from '../test/world/temporal-world.ts'
import {
  computeScheduleId,
  ensureSchedules,
  janitorScheduleId,
  putComputeSchedule,
  removeComputeSchedule,
} from './schedules.ts'

let t: TemporalWorld
beforeAll(async () => {
  t = await startTemporalWorld()
}, 60_000)
afterAll(() => t.close(), 30_000)

const OFFICE = { timezone: 'Europe/Berlin', hibernate: ['0 20 * * *'], wake: ['0 8 * * 1-5'] }

test("a compute's schedule is created, replaced and removed, each as often as one likes", async () => {
  const { computeId } = t.row()
  const describe = () => t.client.schedule.getHandle(computeScheduleId(computeId)).describe()
  await putComputeSchedule(t.client, t.queue, computeId, OFFICE)
  await putComputeSchedule(t.client, t.queue, computeId, OFFICE)
  const created = await describe()
  expect(created.policies.overlap).toBe('SKIP')
  expect(created.policies.catchupWindow).toBe(600_000)
  const hours = created.info.nextActionTimes.map((time) =>
    time.toLocaleString('en-GB', { timeZone: 'Europe/Berlin', hour: '2-digit', hour12: false }),
  )
  expect(new Set(hours)).toEqual(new Set(['08', '20']))
  const nights = { ...OFFICE, wake: [] }
  await putComputeSchedule(t.client, t.queue, computeId, nights)
  await expect
    .poll(
      async () =>
        new Set((await describe()).info.nextActionTimes.map((at) => at.getUTCHours())).size,
      PATIENT,
    )
    .toBe(1)
  await removeComputeSchedule(t.client, computeId)
  await removeComputeSchedule(t.client, computeId)
  await expect(describe()).rejects.toThrow()
})

test('a tick asks the compute to converge to what was planned for its moment', async () => {
  const { computeId } = t.row()
  await putComputeSchedule(t.client, t.queue, computeId, OFFICE)
  const from = new Date('2026-11-20T18:30:00Z')
  await t.client.schedule.getHandle(computeScheduleId(computeId)).backfill({
    start: from,
    end: new Date('2026-11-20T19:30:00Z'),
    overlap: 'ALLOW_ALL',
  })
  await expect
    .poll(() => t.world.converged, { timeout: 15_000 })
    .toContainEqual({ computeId, scheduledAt: expect.stringMatching(/^2026-11-20T19:00:/) })
  await removeComputeSchedule(t.client, computeId)
})

test('schedules that Temporal lost are made again from the rows, and the janitor sweeps', async () => {
  const { computeId } = t.row()
  const wanted = {
    sweep: { everyMs: 1000, graceMs: 5000 },
    computes: [{ computeId, schedule: OFFICE }],
  }
  await ensureSchedules(t.client, t.queue, wanted)
  await ensureSchedules(t.client, t.queue, wanted)
  await expect.poll(() => t.world.sweeps, { timeout: 15_000 }).toBeGreaterThanOrEqual(2)
  await t.client.schedule.getHandle(computeScheduleId(computeId)).describe()
  await removeComputeSchedule(t.client, computeId)
  await t.client.schedule.getHandle(janitorScheduleId(t.queue)).delete()
})
