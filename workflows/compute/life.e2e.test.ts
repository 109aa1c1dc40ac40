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

test('create, hibernate, wake and purge keep every file, leave nothing behind and stay within 60 events', async () => {
  const input = await t.up()
  const id = input.computeId
  t.world.write(id, 'a')
  expect((await t.ask(input, 'hibernate')).state).toBe('hibernated')
  expect(t.world.live(id)).toBe(0)
  expect(await t.ask(input, 'wake')).toMatchObject({ state: 'running', generation: 2 })
  expect(t.world.files(id)).toEqual(['a'])
  expect((await t.remove(input, true)).state).toBe('terminated')
  expect(t.world.event(id, 'compute.terminated')?.detail).toEqual({ purge: true, unsaved: false })
  expect(t.world.live(id)).toBe(0)
  expect(t.world.violations).toEqual([])
  const histories = await t.histories(input)
  expect(histories).toHaveLength(2)
  expect(eventCount(histories)).toBeLessThanOrEqual(60)
  await keepHistories('create-hibernate-wake-delete', input, histories)
})

test('a create that is asked for twice is one compute', async () => {
  const input = t.row()
  const [one, two] = await Promise.all([
    t.doors.create(input, 10_000),
    t.doors.create(input, 10_000),
  ])
  expect(one.view).toMatchObject({ state: 'running', generation: 1 })
  expect(two.view).toMatchObject({ state: 'running', generation: 1 })
  expect(t.world.called('provision', input.computeId)).toBe(1)
})

test('a create whose wait runs out goes on by itself', async () => {
  const input = t.row()
  const release = t.world.hold('provision', input.computeId)
  expect(await t.doors.create(input, 200)).toEqual({ settled: false })
  release()
  await t.until(input, 'running')
})

test('a start that fails at first is tried again, and the row says why', async () => {
  const input = t.row({ provisionRetryForMs: 60_000 })
  t.world.fail('provision', 'ProvisionFailed', 2, input.computeId)
  const { view } = await t.doors.create(input, 10_000)
  expect(view).toMatchObject({ state: 'running', generation: 1 })
  expect(view?.problem).toBeUndefined()
  expect(t.world.events.get(input.computeId)).toContainEqual(
    expect.objectContaining({
      type: 'compute.provisioning',
      detail: { problem: expect.objectContaining({ code: 'ProvisionFailed' }) },
    }),
  )
  await keepHistories('start-retried', input, await t.histories(input))
})

test('a start that keeps failing ends in failed with its reason, and retry is a way out', async () => {
  const input = t.row({ provisionRetryForMs: 400 })
  t.world.fail('provision', 'ProvisionFailed', 99, input.computeId)
  const { view } = await t.doors.create(input, 10_000)
  expect(view).toMatchObject({ state: 'failed', problem: { code: 'ProvisionFailed' } })
  await expect(t.ask(input, 'wake')).rejects.toMatchObject({ name: 'InvalidState' })
  await expect(t.ask(input, 'hibernate')).rejects.toThrow(/retry or delete/)
  t.world.heal()
  expect(await t.ask(input, 'retry')).toMatchObject({ state: 'running', generation: 2 })
  await keepHistories('failed-and-retried', input, await t.histories(input))
})

test('a start refused before its generation was taken ends in failed too', async () => {
  const input = t.row()
  t.world.failBefore('provision', 'ImageNotFound', 99, input.computeId)
  const { view } = await t.doors.create(input, 10_000)
  expect(view).toMatchObject({ state: 'failed', problem: { code: 'ImageNotFound' } })
  t.world.heal()
  expect((await t.ask(input, 'retry')).state).toBe('running')
})

test('a start that waits for another writer is tried again until the filesystem is free', async () => {
  const input = t.row({ provisionRetryForMs: 60_000 })
  t.world.failBefore('provision', 'FilesystemBusy', 2, input.computeId)
  const { view } = await t.doors.create(input, 10_000)
  expect(view).toMatchObject({ state: 'running', generation: 1 })
  expect(t.world.called('recall', input.computeId)).toBe(0)
  expect(t.world.events.get(input.computeId)).toContainEqual(
    expect.objectContaining({
      detail: { problem: expect.objectContaining({ code: 'FilesystemBusy' }) },
    }),
  )
})

test('a start that can never work fails at once', async () => {
  const input = t.row()
  t.world.fail('provision', 'ImageNotFound', 1, input.computeId)
  const { view } = await t.doors.create(input, 10_000)
  expect(view).toMatchObject({ state: 'failed', problem: { code: 'ImageNotFound' } })
  expect(t.world.called('provision', input.computeId)).toBe(1)
})

test('a corrupt snapshot fails the wake, and never gives an empty disk', async () => {
  const input = await t.up()
  const id = input.computeId
  t.world.write(id, 'a')
  await t.ask(input, 'hibernate')
  t.world.fail('restore', 'SnapshotCorrupt', 1, id)
  await expect(t.ask(input, 'wake')).rejects.toMatchObject({ name: 'SnapshotCorrupt' })
  expect(t.world.row(id).state).toBe('failed')
  expect(t.world.live(id)).toBe(0)
  expect(await t.ask(input, 'retry')).toMatchObject({ state: 'running' })
  expect(t.world.files(id)).toEqual(['a'])
})

test('a hibernation that cannot be saved is told, the compute stays up, and it is tried again', async () => {
  const input = await t.up()
  const id = input.computeId
  t.world.write(id, 'a')
  t.world.fail('save', 'SaveFailed', 1, id)
  await expect(t.ask(input, 'hibernate')).rejects.toMatchObject({
    name: 'SaveFailed',
    details: { problem: { code: 'SaveFailed' } },
  })
  expect(t.world.row(id)).toMatchObject({ state: 'running', problem: { code: 'SaveFailed' } })
  expect(t.world.files(id)).toEqual(['a'])
  await t.until(input, 'hibernated')
  expect(t.world.snapshotFiles(id)).toEqual(['a'])
  await keepHistories('save-failed-and-retried', input, await t.histories(input))
})

test('waking a compute whose hibernation failed ends the retries', async () => {
  const input = await t.up({ backOffMs: 400 })
  t.world.fail('save', 'SaveFailed', 1, input.computeId)
  await expect(t.ask(input, 'hibernate')).rejects.toMatchObject({ name: 'SaveFailed' })
  expect((await t.ask(input, 'wake')).state).toBe('running')
  await new Promise((resolve) => setTimeout(resolve, 2_500))
  expect(t.world.row(input.computeId).state).toBe('running')
})

test('a wake that waited behind a hibernation that failed ends the retries', async () => {
  const input = await t.up({ backOffMs: 400 })
  const id = input.computeId
  t.world.fail('save', 'SaveFailed', 1, id)
  const release = t.world.hold('save', id)
  const asleep = t.ask(input, 'hibernate')
  const refused = expect(asleep).rejects.toMatchObject({ name: 'SaveFailed' })
  await t.until(input, 'hibernating')
  const awake = t.ask(input, 'wake')
  await new Promise((resolve) => setTimeout(resolve, 200))
  release()
  await refused
  expect((await awake).state).toBe('running')
  await new Promise((resolve) => setTimeout(resolve, 2_500))
  expect(t.world.row(id).state).toBe('running')
  await keepHistories('wake-behind-failed-save', input, await t.histories(input))
})

test('hibernate, then wake, however fast they follow each other, ends awake', async () => {
  const input = await t.up()
  await t.doors.command(input, 'hibernate', { cause: USER }, { waitMs: 0 })
  expect(await t.ask(input, 'wake')).toMatchObject({ state: 'running', generation: 2 })
  const names = ['hibernate', 'hibernate', 'hibernate'] as const
  const again = await Promise.all(names.map((name) => t.ask(input, name)))
  expect(again.map((view) => view.state)).toEqual(['hibernated', 'hibernated', 'hibernated'])
  expect(t.world.called('save', input.computeId)).toBe(2)
  expect(t.world.violations).toEqual([])
})

test('hibernate while a checkpoint is under way, then wake at once, serves both in their order', async () => {
  const input = await t.up()
  t.world.write(input.computeId, 'a')
  const release = t.world.hold('save', input.computeId)
  const saved = t.doors.command(input, 'checkpoint', { cause: USER }, { waitMs: 10_000 })
  await expect.poll(() => t.world.called('save', input.computeId), PATIENT).toBe(1)
  const slept = t.ask(input, 'hibernate')
  await new Promise((resolve) => setTimeout(resolve, 1_000))
  const woke = t.ask(input, 'wake')
  await new Promise((resolve) => setTimeout(resolve, 1_000))
  release()
  expect((await saved).settled).toBe(true)
  await slept
  expect(await woke).toMatchObject({ state: 'running', generation: 2 })
})

test('forty commands at once are all answered and the compute ends where the last one sent it', async () => {
  const input = await t.up()
  const names = Array.from({ length: 8 }, (_, i) => (i % 2 === 0 ? 'hibernate' : 'wake'))
  for (let round = 0; round < 5; round += 1)
    await Promise.all(names.map((name) => t.ask(input, name as 'wake').catch(() => undefined)))
  expect((await t.ask(input, 'wake')).state).toBe('running')
  expect(t.world.violations).toEqual([])
  await keepHistories('commands-at-once', input, await t.histories(input))
})

test('checkpoint and commit leave it running; both are refused while it sleeps', async () => {
  const input = await t.up()
  const id = input.computeId
  t.world.write(id, 'a')
  const saved = await t.doors.command(input, 'checkpoint', { cause: USER }, { waitMs: 10_000 })
  expect(saved.result?.snapshotId).toMatch(/^snapshot-/)
  expect(t.world.snapshotFiles(id)).toEqual(['a'])
  const args = { cause: USER, imageId: 'image-1' }
  const committed = await t.doors.command(input, 'commit', args, { waitMs: 10_000 })
  expect(committed.result).toEqual({ imageId: 'image-1', digest: 'sha256:image-1' })
  expect(t.world.row(id).state).toBe('running')
  await t.ask(input, 'hibernate')
  await expect(
    t.doors.command(input, 'checkpoint', { cause: USER }, { waitMs: 10_000 }),
  ).rejects.toMatchObject({ name: 'InvalidState', message: expect.stringMatching(/wake it/) })
  await keepHistories('checkpoint-commit', input, await t.histories(input))
})

test('a commit that fails is told, and is an event for those who no longer wait', async () => {
  const input = await t.up()
  const id = input.computeId
  t.world.fail('commitImage', 'ImageNotFound', 1, id)
  const args = { cause: USER, imageId: 'image-2' }
  await expect(t.doors.command(input, 'commit', args, { waitMs: 10_000 })).rejects.toMatchObject({
    name: 'ImageNotFound',
  })
  await expect
    .poll(
      () => t.world.events.get(id)?.find(({ type }) => type === 'commit_failed')?.detail,
      PATIENT,
    )
    .toMatchObject({ imageId: 'image-2', problem: { code: 'ImageNotFound' } })
  expect(t.world.row(id).state).toBe('running')
  await keepHistories('commit-failed', input, await t.histories(input))
})

test('a commit whose sandbox is lost beneath it is an event, too', async () => {
  const input = await t.up()
  const id = input.computeId
  const release = t.world.hold('commitImage', id)
  const args = { cause: USER, imageId: 'image-3' }
  const told = expect(
    t.doors.command(input, 'commit', args, { waitMs: 10_000 }),
  ).rejects.toMatchObject({ name: 'SandboxGone' })
  await expect.poll(() => t.world.called('commitImage', id), PATIENT).toBe(1)
  t.world.kill(id)
  release()
  await told
  await expect
    .poll(() => t.world.row(id), PATIENT)
    .toMatchObject({
      state: 'running',
      generation: 2,
    })
  expect(t.world.event(id, 'commit_failed')?.detail).toMatchObject({
    imageId: 'image-3',
    problem: { code: 'SandboxGone', message: expect.stringContaining('ask again') },
  })
  await keepHistories('commit-lost', input, await t.histories(input))
})

test('the same updateId is the same command', async () => {
  const input = await t.up()
  t.world.write(input.computeId, 'a')
  const once = { waitMs: 10_000, updateId: 'key-1' }
  const one = await t.doors.command(input, 'checkpoint', { cause: USER }, once)
  const two = await t.doors.command(input, 'checkpoint', { cause: USER }, once)
  expect(two.result).toEqual(one.result)
  expect(t.world.called('save', input.computeId)).toBe(1)
})

test('a writer that lost its filesystem keeps a fork, says so and goes to sleep', async () => {
  const input = await t.up()
  const id = input.computeId
  t.world.write(id, 'a')
  const filesystem = t.world.filesystems.get(id)
  if (filesystem) filesystem.writer = 99
  expect((await t.ask(input, 'hibernate')).state).toBe('hibernated')
  expect(t.world.event(id, 'forked')?.detail).toMatchObject({ filesystemId: `fork-${id}` })
  await keepHistories('forked', input, await t.histories(input))
})

test('a writer that lost its filesystem and cannot be frozen does not save one fork after the other', async () => {
  const input = await t.up({ checkpointEveryMs: 1_000, backOffMs: 1_000 })
  const id = input.computeId
  t.world.write(id, 'a')
  t.world.neverFreeze.add(id)
  const filesystem = t.world.filesystems.get(id)
  if (filesystem) filesystem.writer = 99
  await expect.poll(() => t.world.called('save', id), PATIENT).toBeGreaterThanOrEqual(1)
  await new Promise((resolve) => setTimeout(resolve, 6_000))
  expect(t.world.called('save', id)).toBeLessThan(10)
  t.world.neverFreeze.delete(id)
  await t.until(input, 'hibernated', 30_000)
  await keepHistories('forked-again', input, await t.histories(input))
})

test('refresh continues as new on the code of today, in the middle of running', async () => {
  const input = await t.up({ idleTimeoutMs: 60_000 })
  await t.handle(input).signal('refresh')
  await expect.poll(async () => (await t.histories(input)).length, PATIENT).toBe(2)
  expect(await t.doors.view(input.computeId)).toMatchObject({ state: 'running', generation: 1 })
  expect((await t.ask(input, 'hibernate')).state).toBe('hibernated')
  await keepHistories('refreshed', input, await t.histories(input))
})

test('without a worker a command is Unavailable in bounded time', async () => {
  const { computeDoors } = await import('../../temporal/doors.ts')
  const doors = computeDoors(t.client, `${t.queue}-nobody-control`)
  const startedAt = Date.now()
  await expect(doors.create(t.row(), 1000)).rejects.toMatchObject({ name: 'Unavailable' })
  expect(Date.now() - startedAt).toBeLessThan(15_000)
})
