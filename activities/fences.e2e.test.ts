import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findCompute } from '../records/computes.ts'
import { findFilesystem } from '../records/filesystems.ts'
import { findSnapshot, listSnapshots } from '../records/snapshots.ts'
import { newId } from '../records/ids.ts'
import type { Manifest, ManifestPart } from '../records/manifest.ts'
import { publishSnapshot } from '../records/publications.ts'
import { latch } from '../test/support/latch.ts'
import { createControlActivities } from './index.ts'
import { cause, startGround, type Ground } from './testing/ground.ts'

let ground: Ground
beforeAll(async () => {
  ground = await startGround()
})
afterAll(() => ground.end())

const provision = (computeId: string, generation: number) =>
  ground.control.provision({
    computeId,
    generation,
    as: generation === 1 ? 'provisioning' : 'waking',
    cause,
  })

const storedPart = async (): Promise<ManifestPart> => {
  const saveId = newId()
  const key = `${ground.groupId}/suite/${saveId}`
  const sha256 = createHash('sha256').update('part').digest('hex')
  await ground.store.put(key, Readable.from([Buffer.from('part')]), new AbortController().signal)
  await ground.db
    .insertInto('parts')
    .values({
      key,
      group_id: ground.groupId,
      sha256,
      size_bytes: 4,
      save_id: saveId,
      state: 'stored',
    })
    .execute()
  return { kind: 'full', key, sha256, sizeBytes: 4, saveId }
}

describe('generations and epochs', () => {
  it('of two who start the same generation, both get the same sandbox', async () => {
    const id = await ground.newCompute()
    const both = await Promise.all([provision(id, 1), provision(id, 1)])
    expect(both[0]).toEqual(both[1])
    expect((await ground.runtime.list()).filter((one) => one.computeId === id)).toHaveLength(1)
  })

  it('a start that was given up ends what it makes after the stop', async () => {
    const id = await ground.newCompute()
    const { runtime } = ground.deps
    const stopped = latch()
    const late = createControlActivities({
      ...ground.deps,
      runtime: {
        ...runtime,
        async ensure(spec) {
          await stopped.opened
          return runtime.ensure(spec)
        },
      },
    })
    const target = { computeId: id, generation: 1 }
    const provisioning = late.provision({ ...target, as: 'provisioning', cause })
    await expect.poll(async () => (await findCompute(ground.db, id))?.generation).toBe(1)
    await ground.control.release({ ...target, cause, purge: true, unsaved: true })
    stopped.open()
    await expect(provisioning).rejects.toMatchObject({ name: 'SandboxGone' })
    expect(await ground.runtime.inspect(target)).toBe('gone')
  })

  it('refuse a start that is late, or that skips one', async () => {
    const id = await ground.newCompute()
    await provision(id, 1)
    await provision(id, 2)
    await expect(provision(id, 1)).rejects.toMatchObject({ name: 'StaleGeneration' })
    await expect(provision(id, 5)).rejects.toMatchObject({ name: 'StaleGeneration' })
    expect((await findCompute(ground.db, id))?.generation).toBe(2)
  })

  it('refuse a second writer of a filesystem until the first has given it back', async () => {
    const filesystemId = await ground.newFilesystem(false)
    const first = await ground.newCompute({ filesystemId })
    const second = await ground.newCompute({ filesystemId })
    await provision(first, 1)
    await expect(provision(second, 1)).rejects.toMatchObject({ name: 'FilesystemBusy' })
    expect((await findCompute(ground.db, second))?.generation).toBe(0)
    await ground.control.stop({
      computeId: first,
      generation: 1,
      to: 'hibernated',
      cause,
      keepTree: false,
    })
    await expect(provision(second, 1)).resolves.toMatchObject({ epoch: 2 })
  })

  it('stop of an older generation leaves the newer one, its tree and its lease alone', async () => {
    const id = await ground.newCompute()
    await provision(id, 1)
    await provision(id, 2)
    await ground.control.stop({ computeId: id, generation: 1, to: null, cause, keepTree: false })
    expect(await ground.runtime.inspect({ computeId: id, generation: 2 })).toBe('live')
    expect(await ground.run(id, 'echo up')).toBe('up\n')
    const row = await findCompute(ground.db, id)
    const filesystem = await findFilesystem(ground.db, row?.filesystem_id ?? '')
    expect(filesystem).toMatchObject({ lease_compute_id: id, lease_generation: 2 })
  })

  it('a hundred publications of older epochs or over moved heads: a hundred refused', async () => {
    const filesystemId = await ground.newFilesystem(false)
    const id = await ground.newCompute({ filesystemId })
    await provision(id, 1)
    await provision(id, 2)
    const part = await storedPart()
    const manifest: Manifest = {
      version: 1,
      format: 'tar+zstd',
      computeId: id,
      generation: 2,
      epoch: 2,
      imageDigest: 'host',
      parts: [part],
      entries: 1,
      sizeBytes: 4,
    }
    const publish = (over: { epoch?: number; expectedHead?: string | null }) =>
      publishSnapshot(ground.db, {
        snapshotId: newId(),
        filesystemId,
        expectedHead: null,
        epoch: 2,
        reason: 'checkpoint',
        actor: 'user:suite',
        manifest,
        ...over,
      })
    expect(await publish({})).toEqual({ kind: 'published' })
    const head = (await findFilesystem(ground.db, filesystemId))?.head_snapshot_id ?? null
    const late = Array.from({ length: 100 }, (_, index) =>
      publish(index % 2 === 0 ? { epoch: 1, expectedHead: head } : { expectedHead: null }),
    )
    const outcomes = await Promise.all(late)
    expect(outcomes.filter((outcome) => outcome.kind === 'refused')).toHaveLength(100)
    expect((await findFilesystem(ground.db, filesystemId))?.head_snapshot_id).toBe(head)
    expect(await listSnapshots(ground.db, filesystemId)).toHaveLength(1)
  })
})

describe('a snapshot that is not what was saved', () => {
  const saved = async () => {
    const id = await ground.newCompute()
    const target = { computeId: id, generation: 1 }
    await provision(id, 1)
    await ground.run(id, 'head -c 200000 /dev/urandom > ~/file')
    const outcome = await ground.data.save({ ...target, mode: 'hibernate', cause })
    await ground.control.stop({ ...target, to: 'hibernated', cause, keepTree: false })
    if (outcome.kind !== 'published') throw new Error(outcome.kind)
    const snapshot = await findSnapshot(ground.db, outcome.snapshotId)
    return { id, snapshotId: outcome.snapshotId, part: snapshot?.manifest.parts[0] as ManifestPart }
  }
  const bytesOf = async (key: string): Promise<Buffer> => {
    const chunks: Buffer[] = []
    for await (const chunk of await ground.store.get(key)) chunks.push(chunk as Buffer)
    return Buffer.concat(chunks)
  }
  const replace = (key: string, bytes: Buffer) =>
    ground.store.put(key, Readable.from([bytes]), new AbortController().signal)

  it.each([
    [
      'altered',
      (bytes: Buffer) => Buffer.from(bytes.map((byte, at) => (at === 9_000 ? byte ^ 1 : byte))),
    ],
    ['cut short', (bytes: Buffer) => bytes.subarray(0, bytes.length - 100)],
    ['missing', () => undefined],
  ])('%s: is named, and the compute is not opened over it', async (_name, damage) => {
    const { id, snapshotId, part } = await saved()
    const whole = await bytesOf(part.key)
    const damaged = damage(whole)
    if (damaged === undefined) await ground.store.delete(part.key)
    else await replace(part.key, damaged)
    await provision(id, 2)
    const target = { computeId: id, generation: 2 }
    await expect(ground.data.restore({ ...target, snapshotId, cause })).rejects.toMatchObject({
      name: 'SnapshotCorrupt',
      message: expect.stringContaining(part.key) as string,
    })
    expect((await findCompute(ground.db, id))?.state).toBe('restoring')
    await expect(ground.run(id, 'true')).rejects.toThrow(/not_open/)

    await replace(part.key, whole)
    await ground.data.restore({ ...target, snapshotId, cause })
    expect(await ground.run(id, 'stat -c %s ~/file')).toBe('200000\n')
  })
})
