/** What goes for good, and what does not: of a delete that is done twice, and of saves that come late. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findCompute } from '../records/computes.ts'
import { findFilesystem } from '../records/filesystems.ts'
import { listSnapshots } from '../records/snapshots.ts'
import { trashFilesystem, untrashFilesystem } from '../records/trash.ts'
import type { Target } from './contract.ts'
import { createSave } from './save.ts'
import { cause, startGround, type Ground } from './testing/ground.ts'
import { startHeldUp } from './testing/held-up.ts'

let ground: Ground
beforeAll(async () => {
  ground = await startGround()
})
afterAll(() => ground.end())

const started = async (filesystemId?: string): Promise<Target> => {
  const of = filesystemId === undefined ? {} : { filesystemId }
  const target = await ground.started(of)
  await ground.run(target.computeId, 'echo mine > ~/file')
  return target
}
const filesystemOf = async ({ computeId }: Target) => {
  const row = await findCompute(ground.db, computeId)
  return findFilesystem(ground.db, row?.filesystem_id ?? '')
}
const checkpoint = (target: Target) => ground.data.save({ ...target, mode: 'checkpoint', cause })
const askForPurge = ({ computeId }: Target) =>
  ground.db
    .updateTable('computes')
    .set({ delete_requested: JSON.stringify({ purge: true }) })
    .where('id', '=', computeId)
    .execute()
const release = (target: Target) =>
  ground.control.release({ ...target, cause, purge: true, unsaved: false })

describe('a delete with purge that is done twice', () => {
  it('leaves a named filesystem in the trash that was put there in between', async () => {
    const filesystemId = await ground.newFilesystem(false)
    const target = await started(filesystemId)
    await checkpoint(target)
    await askForPurge(target)
    await release(target)
    await trashFilesystem(ground.db, filesystemId, 'user:suite')
    await release(target)
    expect(await listSnapshots(ground.db, filesystemId)).toHaveLength(1)
    await untrashFilesystem(ground.db, filesystemId, 'user:suite')
  })

  it('purges what the first run only put into the trash', async () => {
    const target = await started()
    await checkpoint(target)
    await askForPurge(target)
    await ground.control.release({ ...target, cause, purge: false, unsaved: false })
    expect((await filesystemOf(target))?.head_snapshot_id).not.toBeNull()
    await release(target)
    expect((await filesystemOf(target))?.head_snapshot_id).toBeNull()
  })
})

/** A save that has all in the store and waits with its publication. */
const waiting = (target: Target) =>
  startHeldUp(ground.db, (db) => {
    const save = createSave({ ...ground.deps, db })
    return save({ ...target, mode: 'checkpoint', cause }, new AbortController().signal)
  })
const newWriter = (id: string) =>
  ground.db
    .updateTable('filesystems')
    .set((column) => ({ epoch: column('epoch', '+', 1) }))
    .where('id', '=', id)
    .execute()
const forksOf = (id: string) =>
  ground.db.selectFrom('filesystems').selectAll().where('name', 'like', `${id}-refused-%`).execute()

describe('a save that is late', () => {
  it.each([
    ['with an earlier head', true],
    ['that was never saved before', false],
  ])('brings nothing back of a filesystem %s that was purged', async (_what, savedBefore) => {
    const target = await started()
    if (savedBefore) {
      await checkpoint(target)
      await ground.run(target.computeId, 'echo changed > ~/file')
    }
    const late = await waiting(target)
    await askForPurge(target)
    await release(target)
    await expect(late()).rejects.toMatchObject({ name: 'NotFound' })
    const filesystem = await filesystemOf(target)
    expect(filesystem?.head_snapshot_id).toBeNull()
    expect(await listSnapshots(ground.db, filesystem?.id ?? '')).toEqual([])
    expect(await forksOf(filesystem?.id ?? '')).toEqual([])
    await expect(
      untrashFilesystem(ground.db, filesystem?.id ?? '', 'user:suite'),
    ).rejects.toMatchObject({ name: 'InvalidState' })
  })

  it('makes no fork of what is about to be purged', async () => {
    const target = await started()
    const late = await waiting(target)
    const id = (await filesystemOf(target))?.id ?? ''
    await askForPurge(target)
    await newWriter(id)
    await ground.control.release({ ...target, cause, purge: false, unsaved: false })
    await expect(late()).rejects.toMatchObject({ name: 'NotFound' })
    expect(await forksOf(id)).toEqual([])
  })

  it('goes to the trash with what is in the trash, and so does its fork', async () => {
    const target = await started()
    const late = await waiting(target)
    const later = await waiting(target)
    const id = (await filesystemOf(target))?.id ?? ''
    await ground.control.release({ ...target, cause, purge: false, unsaved: false })
    expect((await late()).kind).toBe('published')
    await newWriter(id)
    expect((await later()).kind).toBe('forked')
    const [fork] = await forksOf(id)
    expect(fork?.head_snapshot_id).not.toBeNull()
    expect(fork?.trashed_at).not.toBeNull()
    expect((await filesystemOf(target))?.trashed_at).not.toBeNull()
  })
})
