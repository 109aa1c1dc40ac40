/** One save, two attempts: one was given up for dead and goes on all the same. Nothing newer gives way to it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findCompute } from '../records/computes.ts'
import { findFilesystem } from '../records/filesystems.ts'
import { listSnapshots } from '../records/snapshots.ts'
import { requireBinding } from './binding.ts'
import type { Target } from './contract.ts'
import { createSave } from './save.ts'
import { cause, startGround, type Ground } from './testing/ground.ts'
import { startHeldUp } from './testing/held-up.ts'

const signal = new AbortController().signal

let ground: Ground
beforeAll(async () => {
  ground = await startGround()
})
afterAll(() => ground.end())

const write = (target: Target, text: string) =>
  ground.run(target.computeId, `echo ${text} > ~/file`)
const filesystemOf = async ({ computeId }: Target) => {
  const row = await findCompute(ground.db, computeId)
  const filesystem = await findFilesystem(ground.db, row?.filesystem_id ?? '')
  if (filesystem === undefined) throw new Error('no filesystem')
  return filesystem
}
/** What a compute that wakes from the head has. */
const afterWake = async ({ computeId }: Target): Promise<string> => {
  const at = { computeId, generation: 1 }
  await ground.control.stop({ ...at, to: 'hibernated', cause, keepTree: false })
  const next = { computeId, generation: 2 }
  const { head_snapshot_id: snapshotId } = await filesystemOf(at)
  await ground.control.provision({ ...next, as: 'waking', cause })
  await ground.data.restore({ ...next, snapshotId, cause })
  return ground.run(computeId, 'cat ~/file')
}
/** A save that has all in the store and waits with its publication. */
const waiting = (target: Target, mode: 'checkpoint' | 'hibernate') =>
  startHeldUp(ground.db, (db) =>
    createSave({ ...ground.deps, db })({ ...target, mode, cause }, signal),
  )
const save = (target: Target, mode: 'checkpoint' | 'hibernate' | 'final') =>
  ground.data.save({ ...target, mode, cause })

describe('of two attempts of one writer', () => {
  it.each(['checkpoint', 'hibernate'] as const)(
    'the older, late with a %s, leaves the newer head alone and makes no fork',
    async (mode) => {
      const target = await ground.started()
      await write(target, 'older')
      const late = await waiting(target, 'checkpoint')
      await write(target, 'newer')
      const newer = await save(target, mode)
      expect(newer.kind).toBe('published')
      const { head_snapshot_id: head } = await filesystemOf(target)
      expect(await late()).toEqual({ kind: 'clean', snapshotId: head })
      expect((await filesystemOf(target)).head_snapshot_id).toBe(head)
      expect(await afterWake(target)).toBe('newer\n')
    },
  )

  it('the newer goes over what the older published while it was under way', async () => {
    const target = await ground.started()
    await write(target, 'older')
    const older = await waiting(target, 'checkpoint')
    await write(target, 'newer')
    const newer = await waiting(target, 'checkpoint')
    expect((await older()).kind).toBe('published')
    expect((await newer()).kind).toBe('published')
    expect(await listSnapshots(ground.db, (await filesystemOf(target)).id)).toHaveLength(2)
    // And the next save stands on it.
    await write(target, 'newest')
    expect((await save(target, 'checkpoint')).kind).toBe('published')
    expect(await afterWake(target)).toBe('newest\n')
  })

  it.each([
    ['published', 'a hibernation', true],
    ['clean', 'a hibernation of what did not change', false],
  ])(
    '%s late, after its freeze ended, %s does not stop what users write by then',
    async (_kind, _what, changed) => {
      const target = await ground.started()
      await write(target, 'before')
      if (!changed) await save(target, 'checkpoint')
      const { endpoint, epoch } = await requireBinding(ground.db, target)
      const { sidekick } = ground
      const hibernation = createSave({
        ...ground.deps,
        sidekick: {
          ...sidekick,
          async retire(...args) {
            await sidekick.thaw(endpoint, target, epoch)
            await write(target, 'after')
            return sidekick.retire(...args)
          },
        },
      })
      await expect(hibernation({ ...target, mode: 'hibernate', cause }, signal)).rejects.toThrow(
        /freeze is over/,
      )
      expect(await ground.run(target.computeId, 'cat ~/file')).toBe('after\n')
      expect(await save(target, 'hibernate')).toMatchObject({ kind: 'published', stopped: true })
      expect(await afterWake(target)).toBe('after\n')
    },
  )

  it('one does not retire what another has frozen anew', async () => {
    const target = await ground.started()
    await write(target, 'before')
    const late = await waiting(target, 'hibernate')
    const { endpoint, epoch } = await requireBinding(ground.db, target)
    await ground.sidekick.thaw(endpoint, target, epoch)
    await write(target, 'after')
    await ground.sidekick.freeze(endpoint, target, { epoch, leaseMs: 30_000 })
    await expect(late()).rejects.toMatchObject({ name: 'SaveFailed' })
    expect(await save(target, 'hibernate')).toMatchObject({ kind: 'published' })
    expect(await afterWake(target)).toBe('after\n')
  })
})

it('what the janitor took for abandoned meanwhile is not published', async () => {
  const target = await ground.started()
  await write(target, 'kept')
  const slow = createSave({
    ...ground.deps,
    store: {
      ...ground.store,
      async put(key, ...rest) {
        const stored = await ground.store.put(key, ...rest)
        await ground.db
          .updateTable('parts')
          .set({ state: 'deleting' })
          .where('key', '=', key)
          .execute()
        return stored
      },
    },
  })
  await expect(slow({ ...target, mode: 'checkpoint', cause }, signal)).rejects.toMatchObject({
    name: 'SaveFailed',
  })
  expect((await filesystemOf(target)).head_snapshot_id).toBeNull()
  expect((await save(target, 'hibernate')).kind).toBe('published')
  expect(await afterWake(target)).toBe('kept\n')
})

it.each(['hibernate', 'final'] as const)(
  'a %s whose last answer was lost is done',
  async (mode) => {
    const target = await ground.started()
    await write(target, 'kept')
    const { sidekick } = ground
    const lost = createSave({
      ...ground.deps,
      sidekick: {
        ...sidekick,
        async retire(...args) {
          await sidekick.retire(...args)
          throw new Error('the answer was lost')
        },
      },
    })
    await expect(lost({ ...target, mode, cause }, signal)).rejects.toThrow('was lost')
    const { head_snapshot_id: snapshotId } = await filesystemOf(target)
    expect(await save(target, mode)).toMatchObject({ kind: 'clean', snapshotId })
    expect(await afterWake(target)).toBe('kept\n')
  },
)
