/** What goes for good, and what does not: of a delete that is done twice, and of saves that come late. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findCompute } from '../records/computes.ts'
import { findFilesystem, listSnapshots } from '../records/filesystems.ts'
import { trashFilesystem, untrashFilesystem } from '../records/trash.ts'
import type { Cause } from '../workflows/compute/contract.ts'
import type { Target } from './contract.ts'
import { startGround, type Ground } from './testing/ground.ts'

const cause: Cause = { reason: 'user', actor: 'user:suite' }

let ground: Ground
beforeAll(async () => {
  ground = await startGround()
})
afterAll(() => ground.end())

const started = async (filesystemId?: string): Promise<Target> => {
  const of = filesystemId === undefined ? {} : { filesystemId }
  const target = { computeId: await ground.newCompute(of), generation: 1 }
  await ground.control.provision({ ...target, as: 'provisioning', cause })
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
