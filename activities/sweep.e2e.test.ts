import { Readable } from 'node:stream'
import { CreateMultipartUploadCommand } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findCompute } from '../records/computes.ts'
import { findFilesystem } from '../records/filesystems.ts'
import { publishSnapshot } from '../records/publications.ts'
import { newId } from '../records/ids.ts'
import { markPartDeleting } from '../records/sweeping.ts'
import type { ComputeState } from '../workflows/compute/contract.ts'
import { s3Client } from './adapters/s3/client.ts'
import { startObserver } from './observer.ts'
import { orphanKinds } from './orphans.ts'
import { createSweep } from './sweep.ts'
import { cause, startGround, type Ground } from './testing/ground.ts'

const HOUR_MS = 3_600_000
const never = new AbortController().signal

let ground: Ground
beforeAll(async () => {
  ground = await startGround()
})
afterAll(() => ground.end())

/** As the janitor: two passes, so that what must be seen twice was. */
const sweepTwice = async (graceMs: number, sweep = freshSweep()) => {
  const first = await sweep({ graceMs })
  const second = await sweep({ graceMs })
  const all: Record<string, number> = { ...first }
  for (const [name, count] of Object.entries(second)) all[name] = (all[name] ?? 0) + count
  return all
}
const freshSweep = (partGraceMs = 0) => createSweep(ground.deps, orphanKinds(partGraceMs))

const runningCompute = async (): Promise<string> => {
  const id = await ground.newCompute()
  await ground.control.provision({ computeId: id, generation: 1, as: 'provisioning', cause })
  ground.doors.open.add(id)
  return id
}
const setRow = (id: string, state: ComputeState, generation = 1) =>
  ground.db
    .updateTable('computes')
    .set({
      state,
      generation,
      state_since: new Date(Date.now() - HOUR_MS),
      ...(state === 'terminated' ? { terminated_at: new Date(Date.now() - HOUR_MS) } : {}),
    })
    .where('id', '=', id)
    .execute()
const isUp = async (id: string) =>
  (await ground.runtime.list()).some((one) => one.computeId === id && one.running)
const plantPart = async (options: { state?: 'intended' | 'stored'; agedMs?: number } = {}) => {
  const key = `${ground.groupId}/suite/${newId()}`
  await ground.store.put(key, Readable.from([Buffer.from('part')]), never)
  await ground.db
    .insertInto('parts')
    .values({
      key,
      group_id: ground.groupId,
      sha256: 'x',
      size_bytes: 4,
      save_id: newId(),
      state: options.state ?? 'stored',
      created_at: new Date(Date.now() - (options.agedMs ?? 2 * HOUR_MS)),
    })
    .execute()
  return key
}
const publish = async (key: string) => {
  const filesystemId = await ground.newFilesystem(false)
  const outcome = await publishSnapshot(ground.db, {
    snapshotId: newId(),
    filesystemId,
    expectedHead: null,
    epoch: 0,
    reason: 'checkpoint',
    actor: 'user:suite',
    manifest: {
      version: 1,
      format: 'tar+zstd',
      computeId: 'x',
      generation: 1,
      epoch: 0,
      imageDigest: 'host',
      parts: [{ kind: 'full', key, sha256: 'x', sizeBytes: 4, saveId: 'x' }],
      entries: 1,
      sizeBytes: 4,
    },
  })
  return { filesystemId, outcome: outcome.kind }
}

describe('the sweeper', () => {
  it('removes sandboxes that nobody should have, and leaves alone what somebody may', async () => {
    const [wanted, terminated, hibernated, older, unknown, young] = [
      await runningCompute(),
      await runningCompute(),
      await runningCompute(),
      await runningCompute(),
      newId(),
      await runningCompute(),
    ]
    await setRow(wanted, 'running')
    await setRow(terminated, 'terminated')
    await setRow(hibernated, 'hibernated')
    await setRow(older, 'waking', 2)
    await ground.runtime.ensure({
      computeId: unknown,
      generation: 1,
      groupId: 'g',
      image: { name: 'host', digest: 'host' },
      network: 'none',
      cpuMillis: 100,
      memoryBytes: 1e9,
      pids: 64,
      treeBytes: 2 ** 30,
    })
    // Its row says terminated, but only since a moment ago.
    await ground.db
      .updateTable('computes')
      .set({ state: 'terminated', state_since: new Date() })
      .where('id', '=', young)
      .execute()

    expect(await freshSweep()({ graceMs: 60_000 })).not.toHaveProperty('sandboxes')
    const sweep = freshSweep()
    expect((await sweep({ graceMs: 1 })).sandboxes, 'seen once is not enough').toBeUndefined()
    await ground.db
      .updateTable('computes')
      .set({ state_since: new Date(Date.now() + HOUR_MS) })
      .where('id', '=', young)
      .execute()
    expect(await sweep({ graceMs: 1 })).toMatchObject({ sandboxes: 4 })
    expect(await isUp(wanted)).toBe(true)
    expect(await isUp(young)).toBe(true)
    for (const id of [terminated, hibernated, older, unknown]) expect(await isUp(id)).toBe(false)
    const left = (await ground.runtime.list()).map(({ computeId }) => computeId)
    expect(left).not.toContain(terminated)
    expect(left, 'an older generation’s tree is what the newer one starts from').toContain(older)
  })

  it('touches nothing of a kind whose lister fails, and goes on with the others', async () => {
    const id = await runningCompute()
    await setRow(id, 'terminated')
    const broken = {
      ...ground.deps,
      runtime: { ...ground.deps.runtime, list: () => Promise.reject(new Error('no answer')) },
      doors: {
        ...ground.deps.doors,
        async *openComputes(): AsyncGenerator<string> {
          yield* []
          throw new Error('no answer')
        },
      },
    }
    const before = ground.doors.adopted.length
    const counts = await sweepTwice(1, createSweep(broken, orphanKinds(0)))
    expect(counts).toMatchObject({ sandboxes_failed: 2, computes_without_workflow_failed: 2 })
    expect(counts).not.toHaveProperty('sandboxes')
    expect(ground.doors.adopted).toHaveLength(before)
    expect(await isUp(id)).toBe(true)
  })

  it('adopts a compute whose workflow is gone, once; terminated and young ones never', async () => {
    const lost = await ground.newCompute()
    const done = await ground.newCompute()
    const young = await ground.newCompute()
    await setRow(lost, 'hibernated', 0)
    await setRow(done, 'terminated', 0)
    const before = new Set(ground.doors.adopted)
    await sweepTwice(60_000)
    await sweepTwice(60_000)
    const adopted = ground.doors.adopted.filter((id) => !before.has(id))
    expect(adopted.filter((id) => id === lost)).toHaveLength(1)
    expect(adopted).not.toContain(done)
    expect(adopted).not.toContain(young)
  })

  it('has a compute look at its row when it did not hear that it is to be deleted', async () => {
    const unheard = await runningCompute()
    const heard = await runningCompute()
    const kept = await runningCompute()
    for (const id of [unheard, heard])
      await ground.db
        .updateTable('computes')
        .set({ delete_requested: JSON.stringify({ purge: false }) })
        .where('id', '=', id)
        .execute()
    const sweep = freshSweep()
    await sweep({ graceMs: 60_000 })
    expect(ground.doors.refreshed, 'it may be on its way').toEqual([])
    await setRow(heard, 'terminating')
    expect(await sweep({ graceMs: 60_000 })).toMatchObject({ deletes_unheard: 1 })
    expect(ground.doors.refreshed).toContain(unheard)
    expect(ground.doors.refreshed).not.toContain(heard)
    expect(ground.doors.refreshed).not.toContain(kept)
    await setRow(unheard, 'terminated')
    await setRow(heard, 'terminated')
  })

  it('deletes parts of dead saves and of dropped snapshots, from the store and the rows', async () => {
    const intended = await plantPart({ state: 'intended' })
    const unreferenced = await plantPart()
    const young = await plantPart({ agedMs: 0 })
    const referenced = await plantPart()
    await publish(referenced)
    const foreign = 'somebody-elses/object'
    await ground.store.put(foreign, Readable.from([Buffer.from('x')]), never)
    const counts = await freshSweep(HOUR_MS)({ graceMs: 0 })
    expect(counts).toMatchObject({ parts: 2 })
    for (const key of [intended, unreferenced])
      expect(await ground.store.head(key), key).toBeUndefined()
    for (const key of [young, referenced, foreign])
      expect(await ground.store.head(key), key).toBeDefined()
  })

  it('a part that is being deleted cannot be published, one being published not deleted', async () => {
    const doomed = await plantPart()
    expect(await markPartDeleting(ground.db, doomed)).toBe(true)
    await expect(publish(doomed)).rejects.toMatchObject({ name: 'SaveFailed' })
    // Whichever of the two comes first, a head never names a part that is gone.
    for (let round = 0; round < 20; round += 1) {
      const key = await plantPart()
      const [published, marked] = await Promise.allSettled([
        publish(key),
        markPartDeleting(ground.db, key),
      ])
      const isPublished = published.status === 'fulfilled'
      const isMarked = marked.status === 'fulfilled' && marked.value
      expect(isPublished).not.toBe(isMarked)
    }
  })

  it('a deletion that was cut short is finished by the next pass', async () => {
    const key = await plantPart()
    await markPartDeleting(ground.db, key)
    await ground.store.delete(key)
    await freshSweep()({ graceMs: 0 })
    const row = await ground.db.selectFrom('parts').select('key').where('key', '=', key).execute()
    expect(row).toEqual([])
  })

  it('aborts uploads of its own that were abandoned, never those of others', async () => {
    const client = s3Client(ground.storeSettings)
    const begin = (Key: string) =>
      client.send(new CreateMultipartUploadCommand({ Bucket: ground.storeSettings.bucket, Key }))
    const ours = await plantPart({ state: 'intended' })
    await begin(ours)
    await begin('somebody-elses/upload')
    await freshSweep(24 * HOUR_MS)({ graceMs: 0 })
    expect(await ground.store.listUploads('')).toHaveLength(2)
    expect(await freshSweep()({ graceMs: 0 })).toMatchObject({ uploads: 1 })
    const left = await ground.store.listUploads('')
    expect(left.map(({ key }) => key)).toEqual(['somebody-elses/upload'])
    client.destroy()
  })

  it('empties old trash, frees leases of the dead and drops what has expired', async () => {
    const { filesystemId } = await publish(await plantPart())
    const fresh = (await publish(await plantPart())).filesystemId
    const trashed = (id: string, days: number) =>
      ground.db
        .updateTable('filesystems')
        .set({ trashed_at: new Date(Date.now() - days * 24 * HOUR_MS) })
        .where('id', '=', id)
        .execute()
    await trashed(filesystemId, 8)
    await trashed(fresh, 1)
    const dead = await ground.newCompute()
    await setRow(dead, 'terminated')
    const leased = (await findCompute(ground.db, dead))?.filesystem_id ?? ''
    await ground.db
      .updateTable('filesystems')
      .set({ lease_compute_id: dead, lease_generation: 1 })
      .where('id', '=', leased)
      .execute()
    ground.schedules.plans.set(dead, {})
    ground.schedules.plans.set('another-installations', {})
    for (const [token, expiresInMs] of [
      ['old', -2 * HOUR_MS],
      ['new', HOUR_MS],
    ] as const)
      await ground.db
        .insertInto('door_tickets')
        .values({
          token_sha256: Buffer.from(token),
          group_id: ground.groupId,
          principal: '{}',
          compute_id: dead,
          purpose: 'terminal',
          expires_at: new Date(Date.now() + expiresInMs),
        })
        .execute()
    for (const [key, agedMs] of [
      ['old', 8 * 24 * HOUR_MS],
      ['new', 0],
    ] as const)
      await ground.db
        .insertInto('idempotency_keys')
        .values({
          group_id: ground.groupId,
          principal: 'p',
          key,
          request_sha256: Buffer.alloc(32),
          compute_id: dead,
          created_at: new Date(Date.now() - agedMs),
        })
        .execute()

    const counts = await sweepTwice(1)
    expect(counts).toMatchObject({
      trash: 1,
      leases: 1,
      door_tickets: 1,
      idempotency_keys: 1,
      schedules_without_compute: 1,
    })
    expect((await findFilesystem(ground.db, fresh))?.head_snapshot_id).not.toBeNull()
    expect((await findFilesystem(ground.db, leased))?.lease_compute_id).toBeNull()
    expect([...ground.schedules.plans.keys()]).toEqual(['another-installations'])
  })
})

describe('the observer', () => {
  it('tells of a sandbox that vanished, and of none that is there', async () => {
    const gone = await runningCompute()
    const here = await runningCompute()
    const observer = startObserver(ground.deps, { everyMs: 30 })
    try {
      await ground.runtime.stop({ computeId: gone, generation: 1 }, { keepTree: true })
      await expect
        .poll(() => ground.doors.seen.map(({ computeId }) => computeId), { timeout: 20_000 })
        .toContain(gone)
    } finally {
      await observer.stop()
    }
    const about = ground.doors.seen.find(({ computeId }) => computeId === gone)
    expect(about?.observation).toEqual({ generation: 1, what: 'gone', reason: 'lost' })
    expect(ground.doors.seen.map(({ computeId }) => computeId)).not.toContain(here)
  })
})
