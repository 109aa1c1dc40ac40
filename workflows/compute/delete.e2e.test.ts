import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { keepHistories } from '../../test/world/histories.ts'
import {
  PATIENT,
  startTemporalWorld,
  USER,
  type TemporalWorld,
} from '../../test/world/temporal-world.ts'
import type { ComputeInput } from '../../workflows/compute/contract.ts'

let t: TemporalWorld
beforeAll(async () => {
  t = await startTemporalWorld()
}, 60_000)
afterAll(() => t.close(), 30_000)
afterEach(() => {
  t.world.heal()
  expect(t.world.violations).toEqual([])
})

const endsGone = async (input: ComputeInput, unsaved = false): Promise<void> => {
  const startedAt = Date.now()
  expect((await t.remove(input)).state).toBe('terminated')
  expect(Date.now() - startedAt).toBeLessThan(10_000)
  expect(t.world.live(input.computeId)).toBe(0)
  expect(t.world.event(input.computeId, 'compute.terminated')?.detail['unsaved']).toBe(unsaved)
  await expect
    .poll(async () => (await t.handle(input).describe()).status.name, PATIENT)
    .toBe('COMPLETED')
  // asked again, it answers; anything else is refused
  expect((await t.remove(input)).state).toBe('terminated')
  await expect(t.ask(input, 'wake')).rejects.toMatchObject({ name: 'InvalidState' })
}

test('of a row that never had a workflow', async () => {
  await endsGone(t.row())
})

test('while the sandbox is being started', async () => {
  const input = t.row()
  const release = t.world.hold('provision', input.computeId)
  await t.doors.create(input, 0)
  await expect.poll(() => t.world.called('provision', input.computeId), PATIENT).toBe(1)
  setTimeout(release, 500)
  await endsGone(input)
  await keepHistories('deleted-while-starting', input, await t.histories(input))
})

test('while a start hangs', async () => {
  const input = t.row()
  const release = t.world.hold('provision', input.computeId)
  await t.doors.create(input, 0)
  await expect.poll(() => t.world.called('provision', input.computeId), PATIENT).toBe(1)
  await endsGone(input)
  release()
})

test('while a failed start waits to be tried again', async () => {
  const input = t.row({ provisionRetryForMs: 600_000, backOffMs: 60_000 })
  t.world.fail('provision', 'ProvisionFailed', 99, input.computeId)
  await t.doors.create(input, 0)
  await expect
    .poll(() => t.world.row(input.computeId).problem?.code, PATIENT)
    .toBe('ProvisionFailed')
  await endsGone(input)
  await keepHistories('deleted-while-backing-off', input, await t.histories(input))
})

test('while its files are being restored', async () => {
  const input = await t.up()
  t.world.write(input.computeId, 'a')
  await t.ask(input, 'hibernate')
  const release = t.world.hold('restore', input.computeId)
  await t.doors.command(input, 'wake', { cause: USER }, { waitMs: 0 })
  await t.until(input, 'restoring')
  await endsGone(input)
  release()
  expect(t.world.snapshotFiles(input.computeId)).toEqual(['a'])
  await keepHistories('deleted-while-restoring', input, await t.histories(input))
})

test('while it runs, saving what no snapshot has', async () => {
  const input = await t.up()
  t.world.write(input.computeId, 'a')
  await endsGone(input)
  expect(t.world.snapshotFiles(input.computeId)).toEqual(['a'])
})

test('to be purged while it runs: nothing is saved that nobody could ever see', async () => {
  const input = await t.up()
  t.world.write(input.computeId, 'a')
  expect((await t.remove(input, true)).state).toBe('terminated')
  expect(t.world.called('save', input.computeId)).toBe(0)
  expect(t.world.live(input.computeId)).toBe(0)
  await keepHistories('purged', input, await t.histories(input))
})

test('a release that fails at first is tried again with patience', async () => {
  const input = await t.up()
  t.world.fail('release', 'Unavailable', 3, input.computeId)
  await endsGone(input)
})

test('a release that takes long is given the patient way', async () => {
  const input = await t.up()
  const release = t.world.hold('release', input.computeId)
  const gone = t.remove(input)
  await expect.poll(() => t.world.called('release', input.computeId), PATIENT).toBe(2)
  release()
  expect((await gone).state).toBe('terminated')
  expect(t.world.live(input.computeId)).toBe(0)
})

test('while it runs and cannot be saved: within the bound, and recorded as unsaved', async () => {
  const input = await t.up()
  t.world.write(input.computeId, 'a')
  t.world.fail('save', 'SaveFailed', 99, input.computeId)
  await endsGone(input, true)
  await keepHistories('deleted-unsaved', input, await t.histories(input))
})

test('while it runs and cannot be saved at first: it is tried again', async () => {
  const input = await t.up({ deleteSaveForMs: 60_000 })
  t.world.write(input.computeId, 'a')
  t.world.fail('save', 'SaveFailed', 2, input.computeId)
  t.world.fail('save', 'InvalidState', 1, input.computeId)
  await endsGone(input)
  expect(t.world.snapshotFiles(input.computeId)).toEqual(['a'])
  await keepHistories('deleted-saved-at-last', input, await t.histories(input))
})

test('while it holds more than may be saved: at once, and recorded as unsaved', async () => {
  const input = await t.up({ deleteSaveForMs: 60_000 })
  t.world.write(input.computeId, 'a')
  t.world.fail('save', 'FilesystemTooLarge', 99, input.computeId)
  await endsGone(input, true)
  expect(t.world.called('save', input.computeId)).toBe(1)
})

test('while the database does not answer for longer than the bound: it is saved all the same', async () => {
  const input = await t.up()
  const id = input.computeId
  t.world.write(id, 'a')
  // So long that the workflow sees time go by.
  t.world.fail('record', 'Unavailable', 5, id)
  const args = { cause: USER, purge: false }
  const { result } = await t.doors.command(input, 'delete', args, { waitMs: 60_000 })
  expect(result?.state).toBe('terminated')
  expect(t.world.event(id, 'compute.terminated')?.detail['unsaved']).toBe(false)
  expect(t.world.snapshotFiles(id)).toEqual(['a'])
})

test('while an image is committed: the commit gives way at once, and it is saved', async () => {
  const input = await t.up({ deleteSaveForMs: 60_000 })
  const id = input.computeId
  t.world.write(id, 'a')
  const release = t.world.hold('commitImage', id)
  const args = { cause: USER, imageId: 'image-1' }
  const committed = t.doors.command(input, 'commit', args, { waitMs: 60_000 })
  committed.catch(() => undefined)
  await expect.poll(() => t.world.called('commitImage', id), PATIENT).toBe(1)
  await endsGone(input)
  await expect(committed).rejects.toMatchObject({ name: 'InvalidState' })
  expect(t.world.snapshotFiles(id)).toEqual(['a'])
  release()
  await keepHistories('deleted-while-committing', input, await t.histories(input))
})

test('while a checkpoint hangs: one more save is tried', async () => {
  const input = await t.up()
  const id = input.computeId
  t.world.write(id, 'a')
  const release = t.world.hold('save', id)
  t.doors.command(input, 'checkpoint', { cause: USER }, { waitMs: 20_000 }).catch(() => undefined)
  await expect.poll(() => t.world.called('save', id), PATIENT).toBe(1)
  const gone = endsGone(input)
  await expect.poll(() => t.world.called('save', id), PATIENT).toBe(2)
  release()
  await gone
  expect(t.world.snapshotFiles(id)).toEqual(['a'])
})

test('while a save hangs: within the bound, and recorded as unsaved', async () => {
  const input = await t.up()
  t.world.write(input.computeId, 'a')
  const release = t.world.hold('save', input.computeId)
  const slept = t.ask(input, 'hibernate')
  slept.catch(() => undefined)
  await t.until(input, 'hibernating')
  await endsGone(input, true)
  await expect(slept).rejects.toMatchObject({ name: 'InvalidState' })
  release()
  await keepHistories('deleted-while-saving', input, await t.histories(input))
})

test('while a failed hibernation waits to be tried again', async () => {
  const input = await t.up({ backOffMs: 60_000 })
  t.world.write(input.computeId, 'a')
  t.world.fail('save', 'SaveFailed', 1, input.computeId)
  await expect(t.ask(input, 'hibernate')).rejects.toMatchObject({ name: 'SaveFailed' })
  await endsGone(input)
})

test('while it is hibernated', async () => {
  const input = await t.up()
  t.world.write(input.computeId, 'a')
  await t.ask(input, 'hibernate')
  await endsGone(input)
  await keepHistories('deleted-hibernated', input, await t.histories(input))
})

test('while it is failed', async () => {
  const input = t.row()
  t.world.fail('provision', 'ImageNotFound', 1, input.computeId)
  await t.doors.create(input, 10_000)
  await endsGone(input)
})

test('twice at once: both are answered', async () => {
  const input = await t.up()
  const both = await Promise.all([t.remove(input), t.remove(input)])
  expect(both.map((view) => view.state)).toEqual(['terminated', 'terminated'])
  expect(t.world.called('release', input.computeId)).toBe(1)
})

test('after its sandbox vanished with unsaved files says so', async () => {
  t.world.keepsTrees = false
  const input = await t.up()
  t.world.write(input.computeId, 'a')
  t.world.kill(input.computeId)
  await endsGone(input, true)
  t.world.keepsTrees = true
})

test('what else was asked is refused by name', async () => {
  const input = await t.up()
  const release = t.world.hold('save', input.computeId)
  const saved = t.doors.command(input, 'checkpoint', { cause: USER }, { waitMs: 20_000 })
  saved.catch(() => undefined)
  await expect.poll(() => t.world.called('save', input.computeId), PATIENT).toBe(1)
  const slept = t.ask(input, 'hibernate')
  slept.catch(() => undefined)
  const gone = t.remove(input)
  // Both have arrived before the checkpoint ends.
  await new Promise((resolve) => setTimeout(resolve, 1_000))
  release()
  expect((await gone).state).toBe('terminated')
  await expect(slept).rejects.toMatchObject({ name: 'InvalidState' })
  await saved
})

test('to be purged while a schedule asks whether it is in use: nothing is saved', async () => {
  const cause = { reason: 'schedule', actor: 'system:schedule' } as const
  const input = await t.up({ announceMs: [200] })
  const id = input.computeId
  t.world.write(id, 'a')
  await new Promise((resolve) => setTimeout(resolve, 300))
  const release = t.world.hold('probe', id)
  const slept = t.doors.command(input, 'hibernate', { cause }, { waitMs: 20_000 })
  slept.catch(() => undefined)
  await expect.poll(() => t.world.called('probe', id), PATIENT).toBe(1)
  const gone = t.remove(input, true)
  await new Promise((resolve) => setTimeout(resolve, 500))
  release()
  expect((await gone).state).toBe('terminated')
  await expect(slept).rejects.toMatchObject({ name: 'InvalidState' })
  expect(t.world.called('save', id)).toBe(0)
  await keepHistories('purged-while-schedule-asks', input, await t.histories(input))
})

test('while so many wait that Temporal takes no more of it: its row says so, at the next look', async () => {
  const input = t.row()
  const id = input.computeId
  const release = t.world.hold('provision', id)
  await t.doors.create(input, 0)
  await expect.poll(() => t.world.called('provision', id), PATIENT).toBe(1)
  const wake = () => t.doors.command(input, 'wake', { cause: USER }, { waitMs: 0 })
  await Promise.all(Array.from({ length: 10 }, wake))
  await expect(t.remove(input)).rejects.toMatchObject({ name: 'Unavailable' })
  await t.doors.refresh(id)
  release()
  await t.until(input, 'terminated')
  expect(t.world.live(id)).toBe(0)
  await keepHistories('deleted-by-its-row', input, await t.histories(input))
})
