import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findCompute, requireCompute } from '../records/computes.ts'
import { findFilesystem } from '../records/filesystems.ts'
import { findSnapshot, listSnapshots } from '../records/snapshots.ts'
import { newId } from '../records/ids.ts'
import { deleteImage, findImageRow, insertPendingImage } from '../records/images.ts'
import { readEvents } from '../records/events.ts'
import { requireBinding } from './binding.ts'
import { createCommitImage } from './commit-image.ts'
import { cause, startGround, type Ground } from './testing/ground.ts'

/** Names, types, modes, links and contents of everything, as one text. */
const TREE = `cd / && find home/user opt/env -not -name .cache -printf '%p %y %m %l\\n' | sort && find home/user opt/env -type f -print0 | sort -z | xargs -0 sha256sum`

let ground: Ground
beforeAll(async () => {
  ground = await startGround()
})
afterAll(() => ground.end())

const up = async (computeId: string, generation: number) => {
  const as = generation === 1 ? 'provisioning' : 'waking'
  const target = { computeId, generation }
  const provisioned = await ground.control.provision({ ...target, as, cause })
  if (provisioned.state === 'restoring')
    await ground.data.restore({ ...target, snapshotId: provisioned.snapshotId, cause })
  return provisioned
}
const sleepOnIt = async (computeId: string, generation: number) => {
  const target = { computeId, generation }
  await ground.control.record({ ...target, to: 'hibernating', cause })
  const outcome = await ground.data.save({ ...target, mode: 'hibernate', cause })
  await ground.control.stop({ ...target, to: 'hibernated', cause, keepTree: false })
  return outcome
}

describe('a compute on real ground', () => {
  it('is there within a second, knows its env, and wakes with every file as it was', async () => {
    const id = await ground.newCompute({ env: { GREETING: 'hello there' } })
    const startedAt = performance.now()
    const first = await up(id, 1)
    const tookMs = performance.now() - startedAt
    console.log(`create to open: ${tookMs.toFixed(0)} ms`)
    expect(first).toMatchObject({ state: 'running', epoch: 1, snapshotId: null, keptTree: false })
    expect(tookMs).toBeLessThan(3_000)
    expect(await ground.run(id, 'echo $GREETING')).toBe('hello there\n')
    await ground.run(
      id,
      'cd ~ && mkdir -p a/b && echo one > a/b/one && ln -s one a/b/link && chmod 600 a/b/one && head -c 3000000 /dev/urandom > big && echo pkg > /opt/env/pkg && echo no > /tmp/scratch',
    )
    const before = await ground.run(id, TREE)
    const live = await ground.data.save({ computeId: id, generation: 1, mode: 'checkpoint', cause })
    expect(live).toMatchObject({ kind: 'published' })
    await ground.run(id, 'rm ~/a/b/one && echo two > ~/a/b/two')
    const later = await ground.run(id, TREE)
    expect(later).not.toBe(before)
    const asleep = await sleepOnIt(id, 1)
    expect(asleep).toMatchObject({ kind: 'published' })
    // Only what changed since the checkpoint went up again.
    if (asleep.kind === 'published') expect(asleep.uploadedBytes).toBeLessThan(100_000)
    expect((await ground.runtime.list()).filter(({ computeId }) => computeId === id)).toEqual([])

    const second = await up(id, 2)
    expect(second).toMatchObject({ state: 'restoring', epoch: 2, keptTree: false })
    expect(await ground.run(id, TREE)).toBe(later)
    expect(await ground.run(id, 'ls /tmp')).not.toContain('scratch')
    const states = (await readEvents(ground.db, { computeId: id, limit: 100 }))
      .filter(({ type }) => type.startsWith('compute.'))
      .map(({ state }) => state)
    expect(states).toEqual([
      'provisioning',
      'running',
      'hibernating',
      'hibernated',
      'waking',
      'restoring',
      'running',
    ])
  })

  it('saved twice without a change in between, is clean the second time', async () => {
    const id = await ground.newCompute()
    await up(id, 1)
    // What was written at the moment of a save is saved again by the next, to be sure.
    await ground.run(id, 'echo x > ~/x && sleep 0.3')
    const first = await ground.data.save({
      computeId: id,
      generation: 1,
      mode: 'checkpoint',
      cause,
    })
    const second = await ground.data.save({
      computeId: id,
      generation: 1,
      mode: 'checkpoint',
      cause,
    })
    expect(first).toMatchObject({ kind: 'published' })
    expect(second).toEqual({
      kind: 'clean',
      snapshotId: first.kind === 'published' ? first.snapshotId : '',
    })
  })

  it('saved right after a write, has it in the save, though a moment before nothing had changed', async () => {
    const id = await ground.newCompute()
    await up(id, 1)
    const target = { computeId: id, generation: 1 }
    await ground.run(id, 'echo x > ~/x && sleep 0.3')
    await ground.data.save({ ...target, mode: 'checkpoint', cause })
    const { endpoint } = await requireBinding(ground.db, target)
    // Others who ask are told this for a second.
    expect((await ground.sidekick.activity(endpoint, target)).dirty).toBe(false)
    await ground.run(id, 'echo y > ~/y')
    const outcome = await ground.data.save({ ...target, mode: 'checkpoint', cause })
    expect(outcome).toMatchObject({ kind: 'published' })
  })

  it('is not put to sleep by a timer while a command runs, and goes on afterwards', async () => {
    const id = await ground.newCompute()
    await up(id, 1)
    await ground.run(id, 'echo active > ~/now')
    const outcome = await ground.data.save({
      computeId: id,
      generation: 1,
      mode: 'hibernate',
      cause: { reason: 'idle', actor: 'system:idle-timer' },
      onlyIfIdleForMs: 60_000,
    })
    expect(outcome.kind).toBe('called_off')
    expect(await ground.run(id, 'cat ~/now')).toBe('active\n')
  })

  it('keeps the tree of a lost sandbox and saves it whole before anything is restored', async () => {
    const id = await ground.newCompute()
    await up(id, 1)
    await ground.run(id, 'echo saved > ~/a')
    await ground.data.save({ computeId: id, generation: 1, mode: 'checkpoint', cause })
    await ground.run(id, 'echo unsaved > ~/b')
    await ground.control.stop({ computeId: id, generation: 1, to: 'waking', cause, keepTree: true })
    expect(await up(id, 2)).toMatchObject({ state: 'running', keptTree: true })
    expect(await ground.run(id, 'cat ~/a ~/b')).toBe('saved\nunsaved\n')
    const outcome = await ground.data.save({
      computeId: id,
      generation: 2,
      mode: 'checkpoint',
      cause,
    })
    const head = await findSnapshot(
      ground.db,
      outcome.kind === 'published' ? outcome.snapshotId : '',
    )
    expect(head?.manifest.parts.map(({ kind }) => kind)).toEqual(['full'])
  })

  it('with a kept tree over which somebody else has written, is kept as a fork and told', async () => {
    const filesystemId = await ground.newFilesystem(false)
    const first = await ground.newCompute({ filesystemId })
    await up(first, 1)
    await ground.run(first, 'echo mine > ~/file')
    await ground.control.stop({
      computeId: first,
      generation: 1,
      to: 'failed',
      cause,
      keepTree: true,
    })
    const second = await ground.newCompute({ filesystemId })
    await up(second, 1)
    await ground.run(second, 'echo theirs > ~/file')
    await sleepOnIt(second, 1)
    await ground.control.provision({ computeId: first, generation: 2, as: 'provisioning', cause })
    expect(await ground.run(first, 'cat ~/file')).toBe('mine\n')
    const outcome = await ground.data.save({
      computeId: first,
      generation: 2,
      mode: 'checkpoint',
      cause,
    })
    expect(outcome.kind).toBe('forked')
    const [head] = await listSnapshots(ground.db, filesystemId)
    expect(head?.manifest.computeId).toBe(second)
    if (outcome.kind === 'forked')
      expect((await findFilesystem(ground.db, outcome.filesystemId))?.head_snapshot_id).toBe(
        outcome.snapshotId,
      )
  })

  it('takes its packages into an image, from which another one starts', async () => {
    const id = await ground.newCompute()
    await up(id, 1)
    await ground.run(
      id,
      'mkdir -p /opt/env/bin && printf "#!/bin/sh\\necho tool\\n" > /opt/env/bin/mytool && chmod +x /opt/env/bin/mytool && mkdir -p /opt/env/npm/lib/node_modules/left-pad && echo \'{"version":"1.3.0"}\' > /opt/env/npm/lib/node_modules/left-pad/package.json && echo private > ~/private',
    )
    const imageId = `image${id.slice(5)}`
    await ground.db
      .insertInto('images')
      .values({
        id: imageId,
        group_id: ground.groupId,
        owner_id: 'user',
        name: imageId,
        state: 'pending',
        base: 'host',
        digest: null,
        problem: null,
        created_by_compute: id,
      })
      .execute()
    const target = { computeId: id, generation: 1, imageId, cause }
    const { digest } = await ground.data.commitImage(target)
    expect(await ground.data.commitImage(target)).toEqual({ digest })
    const image = await ground.db
      .selectFrom('images')
      .selectAll()
      .where('id', '=', imageId)
      .executeTakeFirstOrThrow()
    expect(image).toMatchObject({
      state: 'ready',
      packages: [{ manager: 'npm', name: 'left-pad', version: '1.3.0' }],
    })
    const other = await ground.newCompute({ imageId })
    expect(await up(other, 1)).toMatchObject({ state: 'restoring', snapshotId: null })
    expect(await ground.run(other, 'mytool; ls -A ~')).toBe('tool\n')
  })

  it('brings no image back that was deleted while it was committed', async () => {
    const id = await ground.newCompute()
    await up(id, 1)
    const compute = await requireCompute(ground.db, id)
    const imageId = newId()
    const pending = { imageId, compute, ownerId: 'user', name: imageId }
    await insertPendingImage(ground.db, pending)
    const { sidekick } = ground
    const commit = createCommitImage({
      ...ground.deps,
      sidekick: {
        ...sidekick,
        async archive(...args) {
          await deleteImage(ground.db, imageId)
          return sidekick.archive(...args)
        },
      },
    })
    const input = { computeId: id, generation: 1, imageId, cause }
    const refused = { name: 'ImageNotFound' }
    await expect(commit(input, new AbortController().signal)).rejects.toMatchObject(refused)
    expect(await findImageRow(ground.db, imageId)).toBeUndefined()
    await expect(ground.data.commitImage(input)).rejects.toMatchObject(refused)
    // Its name is free, so another may have it by now.
    await insertPendingImage(ground.db, { ...pending, imageId: newId() })
  })

  it('whose commit failed, says so in the image, whose name is free again', async () => {
    const target = await ground.started()
    const compute = await requireCompute(ground.db, target.computeId)
    const pending = { imageId: newId(), compute, ownerId: compute.owner_id, name: 'unmade' }
    await insertPendingImage(ground.db, pending)
    const again = { ...pending, imageId: newId() }
    await expect(insertPendingImage(ground.db, again)).rejects.toMatchObject({ name: 'Invalid' })
    const problem = { code: 'StoreUnavailable', message: 'away', retryable: true, at: 'now' }
    const detail = { imageId: pending.imageId, problem }
    await ground.control.note({ ...target, type: 'commit_failed', cause, detail })
    expect(await findImageRow(ground.db, pending.imageId)).toMatchObject({
      state: 'failed',
      problem: { code: 'StoreUnavailable' },
    })
    await insertPendingImage(ground.db, again)
    expect(await findImageRow(ground.db, again.imageId)).toMatchObject({ state: 'pending' })
  })

  const committing = async () => {
    const target = await ground.started()
    const compute = await requireCompute(ground.db, target.computeId)
    const imageId = newId()
    await insertPendingImage(ground.db, { imageId, compute, ownerId: 'user', name: imageId })
    return { ...target, imageId, cause }
  }

  it('that is deleted while it is committed says so in the image at once, for good', async () => {
    const commit = await committing()
    await ground.control.record({ ...commit, to: 'terminating' })
    expect(await findImageRow(ground.db, commit.imageId)).toMatchObject({
      state: 'failed',
      problem: { code: 'InvalidState', message: expect.stringContaining('deleted') },
    })
    const refused = { name: 'ImageNotFound' }
    await expect(ground.data.commitImage(commit)).rejects.toMatchObject(refused)
  })

  it('hibernated, is saved and stopped in one step', async () => {
    const id = await ground.newCompute()
    await up(id, 1)
    await ground.run(id, 'echo x > ~/x')
    const target = { computeId: id, generation: 1 }
    await ground.control.record({ ...target, to: 'hibernating', cause })
    const outcome = await ground.data.save({ ...target, mode: 'hibernate', cause })
    expect(outcome).toMatchObject({ kind: 'published', stopped: true })
    expect(await findCompute(ground.db, id)).toMatchObject({ state: 'hibernated' })
    expect((await ground.runtime.list()).filter(({ computeId }) => computeId === id)).toEqual([])
  })

  it('is disposable only when it is purged and nobody else stands on its filesystem', async () => {
    const id = await ground.newCompute()
    await up(id, 1)
    const target = { computeId: id, generation: 1 }
    const ending = () => ground.control.record({ ...target, to: 'terminating', cause })
    expect(await ending()).toEqual({ disposable: false })
    const purged = { delete_requested: JSON.stringify({ purge: true }) }
    await ground.db.updateTable('computes').set(purged).where('id', '=', id).execute()
    expect(await ending()).toEqual({ disposable: true })
    const filesystemId = (await findCompute(ground.db, id))?.filesystem_id ?? ''
    await ground.newCompute({ filesystemId })
    expect(await ending()).toEqual({ disposable: false })
  })

  it('deleted, leaves nothing behind but a trashed filesystem', async () => {
    const id = await ground.newCompute()
    await up(id, 1)
    await ground.run(id, 'echo x > ~/x')
    const target = { computeId: id, generation: 1 }
    await ground.data.save({ ...target, mode: 'final', cause })
    const release = { ...target, cause, purge: false, unsaved: false }
    await ground.control.release(release)
    await ground.control.release(release)
    const row = await findCompute(ground.db, id)
    expect(row?.state).toBe('terminated')
    const filesystem = await findFilesystem(ground.db, row?.filesystem_id ?? '')
    expect(filesystem).toMatchObject({ lease_compute_id: null })
    expect(filesystem?.trashed_at).not.toBeNull()
    expect((await ground.runtime.list()).filter(({ computeId }) => computeId === id)).toEqual([])
  })
})
