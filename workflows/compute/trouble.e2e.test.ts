import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { keepHistories } from '../../test/world/histories.ts'
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

test('a sandbox that vanished is replaced from the last checkpoint, and the event says since when', async () => {
  t.world.keepsTrees = false
  const input = await t.up()
  const id = input.computeId
  t.world.write(id, 'saved')
  await t.doors.command(input, 'checkpoint', { cause: USER }, { waitMs: 10_000 })
  const savedBy = Date.now()
  t.world.write(id, 'lost')
  t.world.kill(id)
  await t.doors.observed(id, { generation: 1, what: 'gone', reason: 'out_of_memory' })
  await expect
    .poll(() => t.world.row(id), PATIENT)
    .toMatchObject({ state: 'running', generation: 2 })
  expect(t.world.files(id)).toEqual(['saved'])
  const lost = t.world.event(id, 'compute.waking')
  expect(t.world.events.get(id)?.find((event) => event.type === 'compute.waking')).toMatchObject({
    cause: { reason: 'out_of_memory' },
  })
  const since = t.world.events.get(id)?.find((event) => event.detail['lossSince'] !== undefined)
  expect(Date.parse(String(since?.detail['lossSince']))).toBeLessThanOrEqual(savedBy)
  expect(lost).toBeDefined()
  t.world.keepsTrees = true
  await keepHistories('lost', input, await t.histories(input))
})

test('a tree that outlived its sandbox is kept and saved soon', async () => {
  const input = await t.up({ checkpointEveryMs: 60_000 })
  const id = input.computeId
  t.world.write(id, 'a')
  t.world.kill(id)
  await t.doors.observed(id, { generation: 1, what: 'gone', reason: 'lost' })
  await expect
    .poll(() => t.world.row(id), PATIENT)
    .toMatchObject({ state: 'running', generation: 2 })
  expect(t.world.files(id)).toEqual(['a'])
  await expect.poll(() => t.world.snapshotFiles(id), { timeout: 10_000 }).toEqual(['a'])
})

test('a wrong report of a loss harms nothing', async () => {
  const input = await t.up()
  const id = input.computeId
  t.world.write(id, 'a')
  await t.doors.observed(id, { generation: 1, what: 'gone', reason: 'lost' })
  await expect.poll(() => t.world.called('recall', id), PATIENT).toBe(1)
  await sleep(300)
  expect(t.world.row(id)).toMatchObject({ state: 'running', generation: 1 })
  expect(t.world.files(id)).toEqual(['a'])
  expect(t.world.violations).toEqual([])
})

test('a sandbox that dies during the save is replaced, and the hibernation still happens', async () => {
  const input = await t.up()
  const id = input.computeId
  t.world.write(id, 'a')
  const release = t.world.hold('save', id)
  const asked = t.ask(input, 'hibernate')
  await expect.poll(() => t.world.called('save', id), PATIENT).toBe(1)
  t.world.kill(id)
  release()
  expect((await asked).state).toBe('hibernated')
  expect(t.world.row(id).generation).toBe(2)
  expect(t.world.snapshotFiles(id)).toEqual(['a'])
  await keepHistories('lost-while-saving', input, await t.histories(input))
})

test('a sandbox that dies before a failed hibernation is tried again still goes to sleep', async () => {
  const input = await t.up({ backOffMs: 60_000 })
  const id = input.computeId
  t.world.write(id, 'a')
  t.world.fail('save', 'SaveFailed', 1, id)
  await expect(t.ask(input, 'hibernate')).rejects.toMatchObject({ name: 'SaveFailed' })
  t.world.kill(id)
  await t.doors.observed(id, { generation: 1, what: 'gone', reason: 'out_of_memory' })
  await t.until(input, 'hibernated')
  expect(t.world.row(id)).toMatchObject({ generation: 2, cause: USER })
  expect(t.world.snapshotFiles(id)).toEqual(['a'])
  await keepHistories('lost-before-retry', input, await t.histories(input))
})

test('a sandbox that is lost again and again ends in failed, with a way out', async () => {
  const input = await t.up({ provisionRetryForMs: 60_000, backOffMs: 20 })
  const id = input.computeId
  for (let generation = 1; generation <= 6; generation += 1) {
    await expect
      .poll(() => t.world.row(id), { timeout: 10_000 })
      .toMatchObject({ state: 'running', generation })
    t.world.kill(id)
    await t.doors.observed(id, { generation, what: 'gone', reason: 'out_of_memory' })
  }
  await t.until(input, 'failed')
  expect(t.world.row(id).problem?.code).toBe('SandboxGone')
  expect((await t.ask(input, 'retry')).state).toBe('running')
  await keepHistories('lost-again-and-again', input, await t.histories(input))
})

test('a draining node moves the compute with its files', async () => {
  const input = await t.up()
  const id = input.computeId
  t.world.write(id, 'a')
  await t.doors.observed(id, { generation: 1, what: 'draining', reason: 'drain' })
  await t.doors.observed(id, { generation: 1, what: 'draining', reason: 'drain' })
  await expect
    .poll(() => t.world.row(id), PATIENT)
    .toMatchObject({ state: 'running', generation: 2 })
  await sleep(300)
  expect(t.world.row(id)).toMatchObject({ generation: 2, cause: { reason: 'drain' } })
  expect(t.world.files(id)).toEqual(['a'])
  await keepHistories('drained', input, await t.histories(input))
})

test('a drained compute that someone wants asleep meanwhile stays asleep', async () => {
  const input = await t.up()
  const id = input.computeId
  t.world.write(id, 'a')
  const release = t.world.hold('save', id)
  await t.doors.observed(id, { generation: 1, what: 'draining', reason: 'drain' })
  await t.until(input, 'hibernating')
  const asleep = t.ask(input, 'hibernate')
  await sleep(200)
  release()
  expect((await asleep).state).toBe('hibernated')
  await sleep(500)
  expect(t.world.row(id)).toMatchObject({ state: 'hibernated', generation: 1 })
  expect(t.world.snapshotFiles(id)).toEqual(['a'])
  await keepHistories('drained-and-wanted-asleep', input, await t.histories(input))
})

test('a wake does not end the move of a compute whose place goes away', async () => {
  const input = await t.up({ backOffMs: 400 })
  const id = input.computeId
  t.world.write(id, 'a')
  t.world.fail('save', 'SaveFailed', 1, id)
  await t.doors.observed(id, { generation: 1, what: 'draining', reason: 'drain' })
  await expect.poll(() => t.world.row(id).problem?.code, PATIENT).toBe('SaveFailed')
  expect((await t.ask(input, 'wake')).state).toBe('running')
  await expect
    .poll(() => t.world.row(id), { timeout: 10_000 })
    .toMatchObject({ state: 'running', generation: 2 })
  expect(t.world.files(id)).toEqual(['a'])
})

test('a drain that cannot save at first still moves the compute', async () => {
  const input = await t.up()
  const id = input.computeId
  t.world.write(id, 'a')
  t.world.fail('save', 'SaveFailed', 1, id)
  await t.doors.observed(id, { generation: 1, what: 'draining', reason: 'drain' })
  await expect
    .poll(() => t.world.row(id), { timeout: 10_000 })
    .toMatchObject({ state: 'running', generation: 2 })
  expect(t.world.files(id)).toEqual(['a'])
  expect(t.world.violations).toEqual([])
})

test.each(['drained', 'lost'])(
  'an end that a schedule announced comes also for a compute that is %s before',
  async (fate) => {
    const cause = { reason: 'schedule', actor: 'system:schedule' } as const
    const input = await t.up({ announceMs: [4_000] })
    const id = input.computeId
    t.world.write(id, 'a')
    const told = await t.doors.command(input, 'hibernate', { cause }, { waitMs: 10_000 })
    expect(told.result).toMatchObject({ state: 'running', lifetimeEndsAt: expect.any(String) })
    if (fate === 'lost') t.world.kill(id)
    const seen =
      fate === 'lost'
        ? ({ what: 'gone', reason: 'lost' } as const)
        : ({ what: 'draining', reason: 'drain' } as const)
    await t.doors.observed(id, { generation: 1, ...seen })
    await expect
      .poll(() => t.world.row(id), PATIENT)
      .toMatchObject({ state: 'running', generation: 2 })
    await t.until(input, 'hibernated')
    expect(t.world.row(id)).toMatchObject({ generation: 2, cause })
    expect(t.world.snapshotFiles(id)).toEqual(['a'])
    await keepHistories(`schedule-announced-${fate}`, input, await t.histories(input))
  },
)

test('a loss is not looked at later because of what was told long before', async () => {
  const input = await t.up({ backOffMs: 3_000 })
  const id = input.computeId
  const gone = { generation: 1, what: 'gone', reason: 'lost' } as const
  for (const looks of [1, 2, 3]) {
    await t.doors.observed(id, gone)
    await expect.poll(() => t.world.called('recall', id), PATIENT).toBe(looks)
  }
  await sleep(6_500)
  t.world.kill(id)
  await t.doors.observed(id, gone)
  await expect
    .poll(() => t.world.row(id), { timeout: 4_000 })
    .toMatchObject({ state: 'running', generation: 2 })
  await keepHistories('lost-long-after', input, await t.histories(input))
})

test('a loss that is told again and again while nobody can look is looked at once, and holds up no delete', async () => {
  const input = await t.up()
  const id = input.computeId
  const release = t.world.hold('save', id)
  t.doors.command(input, 'checkpoint', { cause: USER }, { waitMs: 0 }).catch(() => undefined)
  await expect.poll(() => t.world.called('save', id), PATIENT).toBe(1)
  for (let told = 0; told < 60; told += 1)
    await t.doors.observed(id, { generation: 1, what: 'gone', reason: 'lost' })
  release()
  await sleep(1_500)
  expect(t.world.called('recall', id)).toBe(1)
  expect((await t.remove(input)).state).toBe('terminated')
  await keepHistories('loss-told-again', input, await t.histories(input))
})
