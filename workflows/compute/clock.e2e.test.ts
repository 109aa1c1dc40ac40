import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventCount, keepHistories } from '../../test/world/histories.ts'
import {
  PATIENT,
  startTemporalWorld,
  USER,
  type TemporalWorld,
} from '../../test/world/temporal-world.ts'

let t: TemporalWorld
beforeAll(async () => {
  t = await startTemporalWorld()
}, 60_000)
afterAll(() => t.close(), 30_000)

test('an idle compute hibernates; one in use is asked again when its timeout could have passed', async () => {
  const idleTimeoutMs = 1500
  const input = await t.up({ idleTimeoutMs })
  const id = input.computeId
  const upAt = Date.now()
  for (let i = 0; i < 30; i += 1) {
    t.world.touch(id)
    await sleep(100)
  }
  expect(t.world.row(id).state).toBe('running')
  const timeouts = Math.ceil((Date.now() - upAt) / idleTimeoutMs)
  expect(t.world.called('probe', id)).toBeLessThanOrEqual(timeouts + 1)
  await t.until(input, 'hibernated')
  expect(t.world.row(id).cause).toEqual({ reason: 'idle', actor: 'system:idle-timer' })
  // thirty touches cost nothing: only the timer that was re-armed does
  expect(eventCount(await t.histories(input))).toBeLessThan(80)
  await keepHistories('idle', input, await t.histories(input))
})

test('an idle hibernation that meets activity at the freeze is called off, and comes back later', async () => {
  const input = await t.up({ idleTimeoutMs: 700 })
  const id = input.computeId
  const release = t.world.hold('save', id)
  await expect.poll(() => t.world.called('save', id), { timeout: 10_000 }).toBe(1)
  t.world.write(id, 'late')
  release()
  await expect
    .poll(() => t.world.event(id, 'compute.running')?.cause?.reason, { timeout: 10_000 })
    .toBe('called_off')
  await t.until(input, 'hibernated')
  expect(t.world.snapshotFiles(id)).toEqual(['late'])
  await keepHistories('called-off', input, await t.histories(input))
})

test('turning the idle timer off while it asks leaves what is in use alone', async () => {
  const input = await t.up({ idleTimeoutMs: 500 })
  const id = input.computeId
  const release = t.world.hold('probe', id)
  await expect.poll(() => t.world.called('probe', id), PATIENT).toBe(1)
  await t.doors.command(input, 'extend', { cause: USER, idleTimeoutMs: 0 }, { waitMs: 10_000 })
  t.world.touch(id)
  release()
  await sleep(2_000)
  expect(t.world.row(id).state).toBe('running')
  expect(t.world.called('save', id)).toBe(0)
  await keepHistories('idle-turned-off', input, await t.histories(input))
})

test('turning the idle timer off while its hibernation begins calls that off', async () => {
  const input = await t.up({ idleTimeoutMs: 500 })
  const id = input.computeId
  // So long that the workflow hears of other things in between.
  t.world.fail('record', 'Unavailable', 5, id)
  await expect.poll(() => t.world.called('record', id), { timeout: 30_000 }).toBe(5)
  await t.doors.command(input, 'extend', { cause: USER, idleTimeoutMs: 0 }, { waitMs: 20_000 })
  t.world.touch(id)
  await expect
    .poll(() => t.world.event(id, 'compute.running')?.cause?.reason, { timeout: 30_000 })
    .toBe('called_off')
  await sleep(1_000)
  expect(t.world.row(id).state).toBe('running')
  expect(t.world.called('save', id)).toBe(0)
  await keepHistories('idle-turned-off-late', input, await t.histories(input))
})

test('a dirty compute is checkpointed while it runs', async () => {
  const input = await t.up({ checkpointEveryMs: 500 })
  t.world.write(input.computeId, 'a')
  await expect
    .poll(() => t.world.snapshotFiles(input.computeId), { timeout: 10_000 })
    .toEqual(['a'])
  expect(t.world.row(input.computeId).state).toBe('running')
  await keepHistories('checkpoints', input, await t.histories(input))
})

test('a checkpoint that fails is told and tried again', async () => {
  const input = await t.up({ checkpointEveryMs: 500 })
  const id = input.computeId
  t.world.write(id, 'a')
  t.world.fail('save', 'SaveFailed', 2, id)
  await expect.poll(() => t.world.snapshotFiles(id), { timeout: 15_000 }).toEqual(['a'])
  expect(t.world.eventTypes(id)).toContain('save_failed')
})

test('the end of a lifetime is announced, can be extended, and comes', async () => {
  const input = await t.up({ maxLifetimeMs: 4000, announceMs: [3000, 1000] })
  const id = input.computeId
  await expect.poll(() => t.world.called('announce', id), { timeout: 10_000 }).toBe(1)
  const extended = await t.doors.command(
    input,
    'extend',
    { cause: USER, lifetimeMs: 6000 },
    { waitMs: 5000 },
  )
  expect(extended.result?.lifetimeEndsAt).toBeDefined()
  await sleep(4000)
  expect(t.world.row(id).state).toBe('running')
  await t.until(input, 'hibernated')
  expect(t.world.row(id).cause.reason).toBe('lifetime')
  expect(t.world.called('announce', id)).toBeGreaterThanOrEqual(2)
  await keepHistories('lifetime-extended', input, await t.histories(input))
})

test('an idle timeout can be changed while it runs', async () => {
  const input = await t.up({ idleTimeoutMs: 60_000 })
  const args = { cause: USER, idleTimeoutMs: 500 }
  const { result } = await t.doors.command(input, 'extend', args, { waitMs: 5000 })
  expect(result?.idleTimeoutMs).toBe(500)
  // The row knows it a moment before the workflow does.
  await expect
    .poll(async () => (await t.doors.view(input.computeId))?.state, PATIENT)
    .toBe('hibernated')
  await expect(
    t.doors.command(input, 'extend', { cause: USER, lifetimeMs: 1 }, { waitMs: 5000 }),
  ).rejects.toMatchObject({ name: 'InvalidState' })
})

test('a schedule ends active work only after announcing it, and idle work at once', async () => {
  const cause = { reason: 'schedule', actor: 'system:schedule' } as const
  const input = await t.up({ announceMs: [1500] })
  t.world.touch(input.computeId)
  const told = await t.doors.command(input, 'hibernate', { cause }, { waitMs: 10_000 })
  expect(told.result).toMatchObject({ state: 'running', lifetimeEndsAt: expect.any(String) })
  await t.until(input, 'hibernated')
  expect(t.world.row(input.computeId).cause.reason).toBe('schedule')
  expect(t.world.event(input.computeId, 'announced')?.detail['reason']).toBe('schedule')
  await keepHistories('schedule-announced', input, await t.histories(input))

  const idle = await t.up({ announceMs: [300] })
  await sleep(400)
  const slept = await t.doors.command(idle, 'hibernate', { cause }, { waitMs: 10_000 })
  expect(slept.result?.state).toBe('hibernated')
})

test('a schedule that found it idle still announces its end if it is used before the freeze', async () => {
  const cause = { reason: 'schedule', actor: 'system:schedule' } as const
  const input = await t.up({ announceMs: [1500] })
  const id = input.computeId
  await sleep(1600)
  const release = t.world.hold('save', id)
  const told = t.doors.command(input, 'hibernate', { cause }, { waitMs: 20_000 })
  await expect.poll(() => t.world.called('save', id), PATIENT).toBe(1)
  t.world.write(id, 'late')
  release()
  expect((await told).result).toMatchObject({
    state: 'running',
    lifetimeEndsAt: expect.any(String),
  })
  expect(t.world.event(id, 'compute.running')?.cause?.reason).toBe('called_off')
  await t.until(input, 'hibernated')
  expect(t.world.row(id).cause.reason).toBe('schedule')
  expect(t.world.event(id, 'announced')?.detail['reason']).toBe('schedule')
  expect(t.world.snapshotFiles(id)).toEqual(['late'])
  await keepHistories('schedule-called-off', input, await t.histories(input))
})

test('a person who asks while a schedule puts it to sleep does not rely on it', async () => {
  const cause = { reason: 'schedule', actor: 'system:schedule' } as const
  const input = await t.up({ announceMs: [60_000] })
  const id = input.computeId
  const box = t.world.sandboxes.get(`${id}:1`)
  if (box) box.activeAtMs -= 60_000
  const release = t.world.hold('save', id)
  const scheduled = t.doors.command(input, 'hibernate', { cause }, { waitMs: 20_000 })
  await expect.poll(() => t.world.called('save', id), PATIENT).toBe(1)
  const asked = t.ask(input, 'hibernate')
  await sleep(1_000)
  t.world.touch(id)
  release()
  await scheduled
  expect((await asked).state).toBe('hibernated')
  expect(t.world.row(id).cause).toEqual(USER)
})

test('a schedule whose save failed asks again before it is tried again', async () => {
  const cause = { reason: 'schedule', actor: 'system:schedule' } as const
  const input = await t.up({ announceMs: [60_000], backOffMs: 3_000 })
  const id = input.computeId
  const box = t.world.sandboxes.get(`${id}:1`)
  if (box) box.activeAtMs -= 60_000
  t.world.fail('save', 'SaveFailed', 1, id)
  await expect(
    t.doors.command(input, 'hibernate', { cause }, { waitMs: 20_000 }),
  ).rejects.toMatchObject({ name: 'SaveFailed' })
  t.world.touch(id)
  await expect
    .poll(() => t.world.event(id, 'announced')?.detail['reason'], PATIENT)
    .toBe('schedule')
  expect(t.world.row(id).state).toBe('running')
  expect(t.world.called('save', id)).toBe(1)
})

test('a sidekick that does not answer is no proof of idleness', async () => {
  const input = await t.up({ idleTimeoutMs: 300 })
  t.world.fail('probe', 'SidekickUnreachable', 99, input.computeId)
  await expect
    .poll(() => t.world.called('probe', input.computeId), { timeout: 15_000 })
    .toBeGreaterThanOrEqual(4)
  expect(t.world.row(input.computeId).state).toBe('running')
  t.world.heal()
  await t.until(input, 'hibernated')
})

const BY_SCHEDULE = { reason: 'schedule', actor: 'system:schedule' } as const
const WAIT = { waitMs: 20_000 }
const PATIENTLY = { waitMs: 40_000 }

/** As if nothing had been active for a minute. */
const quiet = (id: string): void => {
  const box = t.world.sandboxes.get(`${id}:1`)
  if (box) box.activeAtMs -= 60_000
}

test.each(['idle', 'in use'])(
  'a wake while a schedule asks about what turns out %s calls that hibernation off',
  async (use) => {
    const input = await t.up({ announceMs: [1_500] })
    const id = input.computeId
    quiet(id)
    const release = t.world.hold('probe', id)
    const told = t.doors.command(input, 'hibernate', { cause: BY_SCHEDULE }, WAIT)
    await expect.poll(() => t.world.called('probe', id), PATIENT).toBe(1)
    expect((await t.ask(input, 'wake')).state).toBe('running')
    if (use === 'in use') t.world.touch(id)
    release()
    expect((await told).result?.state).toBe('running')
    await sleep(3_000)
    expect(t.world.row(id).state).toBe('running')
    expect(t.world.called('save', id)).toBe(0)
    expect(t.world.event(id, 'announced')).toBeUndefined()
    await keepHistories(
      `woken-while-schedule-asks-${use.replace(' ', '-')}`,
      input,
      await t.histories(input),
    )
  },
)

test('a longer lifetime that is asked for while a schedule asks calls that hibernation off', async () => {
  const input = await t.up({ announceMs: [1_500] })
  const id = input.computeId
  quiet(id)
  const release = t.world.hold('probe', id)
  const told = t.doors.command(input, 'hibernate', { cause: BY_SCHEDULE }, WAIT)
  await expect.poll(() => t.world.called('probe', id), PATIENT).toBe(1)
  const args = { cause: USER, lifetimeMs: 60_000 }
  const { result } = await t.doors.command(input, 'extend', args, WAIT)
  release()
  expect((await told).result).toMatchObject({
    state: 'running',
    lifetimeEndsAt: result?.lifetimeEndsAt,
  })
  await sleep(1_000)
  expect(t.world.row(id).state).toBe('running')
  await keepHistories('extended-while-schedule-asks', input, await t.histories(input))
})

test('a wake that waits for a schedule whose hibernation is called off ends with no end announced', async () => {
  const input = await t.up({ announceMs: [1_500] })
  const id = input.computeId
  quiet(id)
  const release = t.world.hold('save', id)
  const told = t.doors.command(input, 'hibernate', { cause: BY_SCHEDULE }, WAIT)
  await expect.poll(() => t.world.called('save', id), PATIENT).toBe(1)
  const woken = t.ask(input, 'wake')
  await sleep(500)
  t.world.touch(id)
  release()
  expect((await told).result?.lifetimeEndsAt).toBeUndefined()
  expect((await woken).state).toBe('running')
  await sleep(3_000)
  expect(t.world.row(id).state).toBe('running')
  await keepHistories('woken-while-schedule-saves', input, await t.histories(input))
})

test('a wake while the idle timer asks is use, as is one before', async () => {
  const input = await t.up({ idleTimeoutMs: 3_000 })
  const id = input.computeId
  await sleep(2_000)
  expect((await t.ask(input, 'wake')).state).toBe('running')
  await sleep(2_000)
  expect(t.world.called('probe', id)).toBe(0)
  const release = t.world.hold('probe', id)
  await expect.poll(() => t.world.called('probe', id), PATIENT).toBe(1)
  expect((await t.ask(input, 'wake')).state).toBe('running')
  release()
  await sleep(1_500)
  expect(t.world.row(id).state).toBe('running')
  expect(t.world.called('save', id)).toBe(0)
  await t.until(input, 'hibernated')
  await keepHistories('woken-while-idle-asks', input, await t.histories(input))
})

test('a checkpoint that is asked for while the idle timer asks is made before it sleeps', async () => {
  const input = await t.up({ idleTimeoutMs: 700 })
  const id = input.computeId
  t.world.write(id, 'a')
  const release = t.world.hold('probe', id)
  await expect.poll(() => t.world.called('probe', id), PATIENT).toBe(1)
  await sleep(700)
  const saved = t.doors.command(input, 'checkpoint', { cause: USER }, WAIT)
  await sleep(500)
  release()
  expect((await saved).result?.snapshotId).toMatch(/^snapshot-/)
  await t.until(input, 'hibernated')
  await keepHistories('checkpoint-while-idle-asks', input, await t.histories(input))
})

test('a longer lifetime that is asked for while its end is saved outlasts a save that fails', async () => {
  const input = await t.up({ maxLifetimeMs: 1_000 })
  const id = input.computeId
  t.world.fail('save', 'SaveFailed', 1, id)
  const release = t.world.hold('save', id)
  await t.until(input, 'hibernating')
  await expect.poll(() => t.world.called('save', id), PATIENT).toBe(1)
  const args = { cause: USER, lifetimeMs: 60_000 }
  await t.doors.command(input, 'extend', args, WAIT)
  release()
  await t.until(input, 'running')
  await sleep(2_000)
  expect(t.world.row(id)).toMatchObject({ state: 'running', problem: { code: 'SaveFailed' } })
  expect(t.world.called('save', id)).toBe(1)
  await keepHistories('extended-while-its-end-is-saved', input, await t.histories(input))
})

test('of two schedules the one asked for later stands, also when the first is written late', async () => {
  const input = await t.up()
  const id = input.computeId
  const at = (hour: number) => ({
    timezone: 'UTC',
    hibernate: [`0 ${hour} * * *`],
    wake: [],
  })
  t.world.fail('applySchedule', 'Unavailable', 1, id)
  const first = { cause: USER, schedule: at(20) }
  await t.doors.command(input, 'schedule', first, { waitMs: 0 })
  await t.doors.command(input, 'schedule', { cause: USER, schedule: at(21) }, WAIT)
  await expect.poll(() => t.world.called('applySchedule', id), PATIENT).toBe(3)
  await sleep(300)
  expect(t.world.row(id).schedule).toEqual(at(21))
  await keepHistories('scheduled-twice', input, await t.histories(input))
})

test('of two extensions the one asked for later is written last', async () => {
  const input = await t.up()
  const id = input.computeId
  // So long that the workflow hears of other things in between.
  t.world.fail('note', 'Unavailable', 5, id)
  const first = t.doors.command(input, 'extend', { cause: USER, idleTimeoutMs: 60_000 }, PATIENTLY)
  await expect.poll(() => t.world.called('note', id), { timeout: 30_000 }).toBe(5)
  await t.doors.command(input, 'extend', { cause: USER, idleTimeoutMs: 90_000 }, PATIENTLY)
  await first
  expect(t.world.event(id, 'extended')?.detail['idleTimeoutMs']).toBe(90_000)
  await keepHistories('extended-twice', input, await t.histories(input))
})

test('a commit that was let in while a schedule asked and came too late is an event', async () => {
  const input = await t.up({ announceMs: [1_500] })
  const id = input.computeId
  quiet(id)
  const release = t.world.hold('probe', id)
  const told = t.doors.command(input, 'hibernate', { cause: BY_SCHEDULE }, WAIT)
  await expect.poll(() => t.world.called('probe', id), PATIENT).toBe(1)
  const args = { cause: USER, imageId: 'image-1' }
  await t.doors.command(input, 'commit', args, { waitMs: 0 })
  release()
  expect((await told).result?.state).toBe('hibernated')
  await expect
    .poll(() => t.world.event(id, 'commit_failed')?.detail, PATIENT)
    .toMatchObject({ imageId: 'image-1', problem: { code: 'InvalidState' } })
  await keepHistories('committed-too-late', input, await t.histories(input))
})
