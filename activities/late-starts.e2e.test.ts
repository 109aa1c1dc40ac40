/** A start or a restore of which two attempts go on: the one that is late writes nothing that is long past. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findCompute } from '../records/computes.ts'
import { findFilesystem } from '../records/filesystems.ts'
import type { ComputeState } from '../workflows/compute/contract.ts'
import type { Target } from './contract.ts'
import { createProvision } from './provision.ts'
import { cause, startGround, type Ground } from './testing/ground.ts'
import { startHeldUp } from './testing/held-up.ts'

let ground: Ground
beforeAll(async () => {
  ground = await startGround()
})
afterAll(() => ground.end())

type As = 'provisioning' | 'waking'

const next = ({ computeId, generation }: Target): Target => ({
  computeId,
  generation: generation + 1,
})
const hibernate = (target: Target) => ground.data.save({ ...target, mode: 'hibernate', cause })
const wake = async (target: Target) => {
  const { snapshotId } = await ground.control.provision({ ...target, as: 'waking', cause })
  await ground.data.restore({ ...target, snapshotId, cause })
}
const stateOf = async ({ computeId }: Target): Promise<ComputeState | undefined> =>
  (await findCompute(ground.db, computeId))?.state

/** An attempt that waits before the transaction with this number, and goes on when it is told to. */
const waiting = (target: Target, as: As, before: number) =>
  startHeldUp(
    ground.db,
    (db) => createProvision({ ...ground.deps, db })({ ...target, as, cause }),
    before,
  )
const TAKES = 1
const SAYS_HOW_FAR = 2
const TOO_LATE = { name: 'InvalidState' }

describe('a late attempt of a start', () => {
  it('does not say of a compute that runs that it is being restored', async () => {
    const first = await ground.started()
    await ground.run(first.computeId, 'echo saved > ~/file')
    await hibernate(first)
    const second = next(first)
    const late = await waiting(second, 'waking', SAYS_HOW_FAR)
    await wake(second)
    await expect(late()).rejects.toMatchObject(TOO_LATE)
    expect(await stateOf(second)).toBe('running')
    expect(await ground.control.recall(second)).toMatchObject({ state: 'running' })
  })

  it('does not say of a compute that runs that it starts', async () => {
    const target = await ground.started()
    const events = () =>
      ground.db.selectFrom('events').select('seq').where('compute_id', '=', target.computeId)
    const before = await events().execute()
    await ground.control.provision({ ...target, as: 'provisioning', cause })
    expect(await stateOf(target)).toBe('running')
    expect(await events().execute()).toEqual(before)
  })

  it('does not say of a compute that sleeps that it runs', async () => {
    const target = { computeId: await ground.newCompute(), generation: 1 }
    const late = await waiting(target, 'provisioning', SAYS_HOW_FAR)
    await ground.control.provision({ ...target, as: 'provisioning', cause })
    await hibernate(target)
    await expect(late()).rejects.toMatchObject(TOO_LATE)
    expect(await stateOf(target)).toBe('hibernated')
  })

  it('does not open a generation that was lost', async () => {
    const target = { computeId: await ground.newCompute(), generation: 1 }
    const late = await waiting(target, 'provisioning', SAYS_HOW_FAR)
    await ground.control.stop({ ...target, to: 'waking', cause, keepTree: true })
    await expect(late()).rejects.toMatchObject({ name: 'SandboxGone' })
    expect(await stateOf(target)).toBe('waking')
  })

  it.each([
    ['is being deleted', 'terminating'],
    ['failed meanwhile', 'failed'],
  ] as const)('starts nothing of a compute that %s', async (_what, state) => {
    const first = await ground.started()
    await hibernate(first)
    const second = next(first)
    const late = await waiting(second, 'waking', TAKES)
    await ground.control.record({ ...first, to: state, cause })
    await expect(late()).rejects.toMatchObject(TOO_LATE)
    expect(await findCompute(ground.db, first.computeId)).toMatchObject({ state, generation: 1 })
    expect(await ground.runtime.inspect(second)).toBe('gone')
  })

  it('which an older worker let through, ends no sandbox with users in it', async () => {
    const target = await ground.started()
    await ground.run(target.computeId, 'echo unsaved > ~/file')
    await ground.db
      .updateTable('computes')
      .set({ state: 'restoring' })
      .where('id', '=', target.computeId)
      .execute()
    expect(await ground.control.recall(target)).toMatchObject({ state: 'running', sandbox: 'live' })
    expect(await stateOf(target)).toBe('running')
    expect(await ground.run(target.computeId, 'cat ~/file')).toBe('unsaved\n')
  })
})

const doesNotComeUp = async (target: Target) => {
  const runtime = { ...ground.runtime, ensure: () => Promise.reject(new Error('no start')) }
  const start = createProvision({ ...ground.deps, runtime })
  await expect(start({ ...target, as: 'provisioning', cause })).rejects.toThrow(/no start/)
  await ground.control.stop({ ...target, to: 'failed', cause, keepTree: true })
}

describe('a tree that was kept, over what somebody else wrote', () => {
  it('is kept as a fork also when a start in between did not come up', async () => {
    const filesystemId = await ground.newFilesystem(false)
    const mine = { computeId: await ground.newCompute({ filesystemId }), generation: 1 }
    await ground.control.provision({ ...mine, as: 'provisioning', cause })
    await ground.run(mine.computeId, 'echo mine > ~/file')
    await ground.control.stop({ ...mine, to: 'failed', cause, keepTree: true })
    const theirs = { computeId: await ground.newCompute({ filesystemId }), generation: 1 }
    await ground.control.provision({ ...theirs, as: 'provisioning', cause })
    await ground.run(theirs.computeId, 'echo theirs > ~/file')
    await hibernate(theirs)
    const head = (await findFilesystem(ground.db, filesystemId))?.head_snapshot_id
    const second = next(mine)
    await doesNotComeUp(second)
    const third = next(second)
    expect(await ground.control.provision({ ...third, as: 'provisioning', cause })).toMatchObject({
      keptTree: true,
    })
    expect(await ground.run(mine.computeId, 'cat ~/file')).toBe('mine\n')
    expect((await hibernate(third)).kind).toBe('forked')
    expect((await findFilesystem(ground.db, filesystemId))?.head_snapshot_id).toBe(head)
  })

  it('goes on as before when nobody did, also after a start that did not come up', async () => {
    const target = await ground.started()
    await ground.run(target.computeId, 'echo kept > ~/file')
    await ground.control.stop({ ...target, to: 'failed', cause, keepTree: true })
    const second = next(target)
    await doesNotComeUp(second)
    const third = next(second)
    await ground.control.provision({ ...third, as: 'provisioning', cause })
    expect((await hibernate(third)).kind).toBe('published')
  })
})
