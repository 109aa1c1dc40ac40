import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, readlink, rm, stat, writeFile } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import * as zlib from 'node:zlib'
import { pack, type Header } from 'tar-stream'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findFilesystem } from '../../records/filesystems.ts'
import { takeLease } from '../../records/leases.ts'
import { publishSnapshot } from '../../records/publications.ts'
import { newId } from '../../records/ids.ts'
import type { Manifest, ManifestPart } from '../../records/manifest.ts'
import { latch } from '../../test/support/latch.ts'
import { startHarness, type Harness, type Person } from '../testing/harness.ts'

let api: Harness
let ann: Person
beforeAll(async () => {
  api = await startHarness()
  ann = await api.person('ann')
})
afterAll(() => api.stop())

/** A filesystem with one published snapshot for each list of parts, as a compute would leave it. */
const filesystemWith = async (...saves: Buffer[][]) => {
  const made = await api.send('POST', '/api/filesystems', ann.token, { name: `f${newId()}` })
  const filesystemId = made.body.id as string
  const computeId = (
    await api.send('POST', '/api/computes', ann.token, { filesystem_id: filesystemId })
  ).body.id as string
  const { epoch } = await api.db
    .transaction()
    .execute((tx) => takeLease(tx, { filesystemId, computeId, generation: 1 }))
  const parts: ManifestPart[] = []
  const snapshots: string[] = []
  for (const bodies of saves) {
    for (const body of bodies) {
      const key = `groups/${ann.groupId}/${newId()}`
      const part = {
        kind: parts.length === 0 ? ('full' as const) : ('delta' as const),
        key,
        sha256: '',
        sizeBytes: body.length,
        saveId: newId(),
      }
      await api.db
        .insertInto('parts')
        .values({
          key,
          group_id: ann.groupId,
          sha256: '',
          size_bytes: body.length,
          save_id: part.saveId,
          state: 'stored',
        })
        .execute()
      api.objects.set(key, body)
      parts.push(part)
    }
    const head = (await findFilesystem(api.db, filesystemId))!.head_snapshot_id
    const manifest: Manifest = {
      version: 1,
      format: 'tar+zstd',
      computeId,
      generation: 1,
      epoch,
      imageDigest: 'host',
      parts: [...parts],
      entries: 1,
      sizeBytes: 1,
    }
    const snapshotId = newId()
    const outcome = await publishSnapshot(api.db, {
      snapshotId,
      filesystemId,
      expectedHead: head,
      epoch,
      reason: 'checkpoint',
      manifest,
      actor: 'test',
    })
    expect(outcome.kind).toBe('published')
    snapshots.push(snapshotId)
  }
  const release = () =>
    api.db
      .updateTable('filesystems')
      .set({ lease_compute_id: null, lease_generation: null })
      .where('id', '=', filesystemId)
      .execute()
  return { filesystemId, computeId, snapshots, release }
}
const get = (url: string) => api.send('GET', url, ann.token)
const post = (url: string, body?: object) => api.send('POST', url, ann.token, body)

describe('snapshots', () => {
  it('are listed newest first; an older one becomes the head again as a new one', async () => {
    const fs = await filesystemWith([Buffer.from('a')], [Buffer.from('b')])
    const busy = await post(`/api/filesystems/${fs.filesystemId}/restore`, {
      snapshot_id: fs.snapshots[0]!,
    })
    expect(busy.body).toMatchObject({ status: 409, code: 'FilesystemBusy' })
    await fs.release()
    const restored = await post(`/api/filesystems/${fs.filesystemId}/restore`, {
      snapshot_id: fs.snapshots[0]!,
    })
    const listed = await get(`/api/filesystems/${fs.filesystemId}/snapshots`)
    const [head] = listed.body.items
    expect(listed.body.items).toHaveLength(3)
    expect(head).toMatchObject({
      id: restored.body.head_snapshot_id,
      reason: 'restore',
      parent_id: fs.snapshots[1],
      parts: 1,
    })
    const epoch = (await findFilesystem(api.db, fs.filesystemId))!.epoch
    expect(epoch).toBe(2)
  })

  it('of another filesystem are not restored', async () => {
    const [one, two] = [
      await filesystemWith([Buffer.from('a')]),
      await filesystemWith([Buffer.from('b')]),
    ]
    await one.release()
    const answer = await post(`/api/filesystems/${one.filesystemId}/restore`, {
      snapshot_id: two.snapshots[0]!,
    })
    expect(answer.body).toMatchObject({ status: 404, field: 'snapshot_id' })
  })
})

describe('forks', () => {
  it('share the parts of a snapshot and have a life of their own', async () => {
    const fs = await filesystemWith([Buffer.from('a')])
    const fork = await post(`/api/filesystems/${fs.filesystemId}/fork`, { name: 'copy' })
    expect(fork.status).toBe(201)
    expect(fork.body).toMatchObject({
      name: 'copy',
      implicit: false,
      forked_from: fs.snapshots[0],
      lease_compute_id: null,
    })
    const again = await post('/api/filesystems', { name: 'x', from_snapshot: fs.snapshots[0]! })
    const third = await post('/api/filesystems', { name: 'y', from_filesystem: fs.filesystemId })
    for (const made of [again, third]) expect(made.body.head_snapshot_id).not.toBeNull()
    const references = await api.db
      .selectFrom('part_references')
      .select('owner_id')
      .where(
        'part_key',
        'in',
        (
          await api.db
            .selectFrom('snapshots')
            .select('manifest')
            .where('id', '=', fs.snapshots[0]!)
            .executeTakeFirstOrThrow()
        ).manifest.parts.map(({ key }) => key),
      )
      .execute()
    expect(references).toHaveLength(4)
  })

  it('that a compute starts on are made with it, once, and go with it', async () => {
    const fs = await filesystemWith([Buffer.from('a')])
    const from = { from_filesystem: fs.filesystemId }
    const create = (body: object, who = ann, key = newId()) =>
      api.send('POST', '/api/computes', who.token, body, { 'idempotency-key': key })
    const key = newId()
    const { status, body } = await create(from, ann, key)
    expect(status).toBe(201)
    expect((await create(from, ann, key)).body.id).toBe(body.id)
    const forks = () =>
      api.db
        .selectFrom('filesystems')
        .select(['id', 'implicit', 'head_snapshot_id'])
        .where('forked_from', '=', fs.snapshots[0]!)
        .execute()
    expect(await forks()).toEqual([
      { id: body.filesystem_id, implicit: true, head_snapshot_id: expect.any(String) },
    ])
    expect((await create({ ...from, image_name: 'nope' })).body.field).toBe('image_name')
    const both = await create({ ...from, from_snapshot: fs.snapshots[0] })
    expect(both.body).toMatchObject({ status: 422, field: 'from_snapshot' })
    const bob = await api.person('thief')
    for (const [field, id] of Object.entries({ ...from, from_snapshot: fs.snapshots[0] }))
      expect((await create({ [field]: id }, bob)).body).toMatchObject({ status: 404, field })
    expect(await forks()).toHaveLength(1)
    expect((await create({ from_snapshot: fs.snapshots[0] })).status).toBe(201)
    expect(await forks()).toHaveLength(2)
  })

  it('of what nobody saved, or of strangers’ files, are refused', async () => {
    const empty = await post('/api/filesystems', { name: 'empty' })
    expect((await post(`/api/filesystems/${empty.body.id}/fork`, {})).status).toBe(409)
    const fs = await filesystemWith([Buffer.from('a')])
    const bob = await api.person('bob')
    const theft = await api.send('POST', '/api/filesystems', bob.token, {
      name: 'theft',
      from_snapshot: fs.snapshots[0]!,
    })
    expect(theft.status).toBe(404)
    const other = await api.send('POST', '/api/filesystems', bob.token, {
      name: 'theft',
      from_filesystem: fs.filesystemId,
    })
    expect(other.status).toBe(404)
  })
})

describe('the trash', () => {
  it('gives no fork away, by the filesystem or by its snapshot', async () => {
    const fs = await filesystemWith([Buffer.from('a')])
    await api.send('DELETE', `/api/computes/${fs.computeId}`, ann.token)
    await fs.release()
    await api.db
      .updateTable('filesystems')
      .set({ trashed_at: new Date() })
      .where('id', '=', fs.filesystemId)
      .execute()
    const from = { from_filesystem: fs.filesystemId, from_snapshot: fs.snapshots[0]! }
    for (const [field, id] of Object.entries(from)) {
      const { body } = await post('/api/filesystems', { name: 'x', [field]: id })
      expect(body).toMatchObject({ status: 404, field })
    }
  })

  it('takes only what nobody uses, gives back, and forgets when told', async () => {
    const fs = await filesystemWith([Buffer.from('a')])
    const path = `/api/filesystems/${fs.filesystemId}`
    const drop = () => api.send('DELETE', path, ann.token)
    expect((await drop()).body.code).toBe('FilesystemBusy')
    await fs.release()
    expect((await drop()).body.code).toBe('InvalidState')
    await api.send('DELETE', `/api/computes/${fs.computeId}`, ann.token)
    expect((await drop()).status).toBe(204)
    expect((await get(path)).status).toBe(404)
    const trash = async () =>
      (await get('/api/trash')).body.items.map(({ id }: { id: string }) => id)
    expect(await trash()).toContain(fs.filesystemId)
    expect((await post(`/api/trash/${fs.filesystemId}/restore`)).body.trashed_at).toBeNull()
    expect((await get(path)).status).toBe(200)
    await drop()
    expect((await api.send('DELETE', `/api/trash/${fs.filesystemId}`, ann.token)).status).toBe(204)
    expect(await trash()).not.toContain(fs.filesystemId)
    const references = await api.db
      .selectFrom('part_references')
      .select('owner_id')
      .where('owner_id', '=', fs.snapshots[0]!)
      .execute()
    expect(references).toEqual([])
  })
})

describe('an export', () => {
  it('of one part is what is stored, byte for byte', async () => {
    const fs = await filesystemWith([Buffer.from('the stored bytes')])
    const answer = await get(`/api/filesystems/${fs.filesystemId}/export`)
    expect(answer.status).toBe(200)
    expect(answer.headers['content-type']).toBe('application/zstd')
    expect(answer.text).toBe('the stored bytes')
  })

  it('of nothing saved is refused', async () => {
    const empty = await post('/api/filesystems', { name: 'nothing' })
    expect((await get(`/api/filesystems/${empty.body.id}/export`)).status).toBe(404)
  })

  it('of a chain is the latest of every path, and nothing removed', async () => {
    const full = await tarZst([
      { name: 'home', type: 'directory' },
      { name: 'home/same', body: 'same' },
      { name: 'home/changed', body: 'old' },
      { name: 'home/gone', body: 'gone' },
      { name: 'home/folder', type: 'directory' },
      { name: 'home/folder/in', body: 'in' },
      { name: 'home/turned', type: 'directory' },
      { name: 'home/turned/below', body: 'below' },
      { name: 'home/linked', body: 'linked' },
      { name: 'home/hard', type: 'link', linkname: 'home/linked' },
      { name: `home/${'long'.repeat(60)}/ü`, body: 'long' },
    ])
    const delta = await tarZst([
      removed('home/gone', 'home/folder', 'home/turned/below', 'home/turned'),
      { name: 'home/changed', body: 'new' },
      { name: 'home/turned', body: 'a file now' },
      { name: 'home/link', type: 'symlink', linkname: 'same' },
    ])
    const last = await tarZst([
      removed('home/link'),
      { name: 'home/folder', type: 'directory' },
      { name: 'home/folder/again', body: 'again' },
      { name: 'home/gone', body: 'back' },
    ])
    const fs = await filesystemWith([full, delta, last])
    const answer = await api.app.inject({
      url: `/api/filesystems/${fs.filesystemId}/export`,
      headers: { host: '127.0.0.1:8080', authorization: `Bearer ${ann.token}` },
    })
    expect(answer.statusCode).toBe(200)
    const dir = await mkdtemp(path.join(tmpdir(), 'dormouse-export-'))
    const plain = (zlib as unknown as { zstdDecompressSync(b: Buffer): Buffer }).zstdDecompressSync(
      answer.rawPayload,
    )
    await writeFile(path.join(dir, 'x.tar'), plain)
    const untar = spawnSync('tar', ['-xf', 'x.tar'], { cwd: dir })
    expect(untar.stderr.toString()).toBe('')
    const read = (name: string) => readFile(path.join(dir, 'home', name), 'utf8')
    expect(await read('same')).toBe('same')
    expect(await read('changed')).toBe('new')
    expect(await read('gone')).toBe('back')
    expect(await read('turned')).toBe('a file now')
    expect(await read('folder/again')).toBe('again')
    expect(await read(`${'long'.repeat(60)}/ü`)).toBe('long')
    expect((await stat(path.join(dir, 'home/hard'))).ino).toBe(
      (await stat(path.join(dir, 'home/linked'))).ino,
    )
    await expect(read('folder/in')).rejects.toThrow('ENOENT')
    await expect(readlink(path.join(dir, 'home/link'))).rejects.toThrow('ENOENT')
    await rm(dir, { recursive: true })
  })
})

it('exports that merge are one of a user and two in all, for each remembers many paths', async () => {
  const part = await tarZst([removed('home/x')])
  const fs = await filesystemWith([part, part])
  const [cyd, dan] = [await api.person('cyd'), await api.person('dan')]
  for (const who of [cyd, dan]) await api.join(who, ann.groupId, 'member')
  const store = api.deps.store as { get: typeof api.deps.store.get }
  const { get: realGet } = store
  const gate = latch()
  store.get = async (...args) => gate.opened.then(() => realGet(...args))
  const ask = (who: Person) =>
    api.send('GET', `/api/filesystems/${fs.filesystemId}/export`, who.token)
  try {
    const first = ask(ann)
    await new Promise((resolve) => setTimeout(resolve, 200))
    const again = await ask(ann)
    expect([again.status, again.body.code]).toEqual([429, 'RateLimited'])
    expect(Number(again.headers['retry-after'])).toBeGreaterThan(2)
    const second = ask(cyd)
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect((await ask(dan)).status).toBe(429)
    gate.open()
    expect([(await first).status, (await second).status]).toEqual([200, 200])
    expect((await ask(dan)).status).toBe(200)
  } finally {
    gate.open()
    store.get = realGet
  }
})

it('an export whose client left before it began holds no place', async () => {
  const part = await tarZst([removed('home/x')])
  const fs = await filesystemWith([part, part])
  await api.app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = api.app.server.address() as AddressInfo
  const ask = () =>
    fetch(`http://127.0.0.1:${port}/api/filesystems/${fs.filesystemId}/export`, {
      headers: { authorization: `Bearer ${ann.token}` },
    })
  api.app.server.once('request', (request: IncomingMessage) => request.socket.destroy())
  await expect(ask()).rejects.toThrow()
  await new Promise((resolve) => setTimeout(resolve, 500))
  const answer = await ask()
  await answer.arrayBuffer()
  expect(answer.status).toBe(200)
})

type Entry = Partial<Header> & { name: string } & { body?: string }
const removed = (...paths: string[]): Entry => ({
  name: '.dormouse/delta.json',
  body: `{"version":1,"base":"b","removed":[\n${paths.map((p) => JSON.stringify(p)).join('\n,')}\n]}\n`,
})

const tarZst = async (entries: readonly Entry[]): Promise<Buffer> => {
  const tar = pack()
  for (const { body, ...header } of entries) tar.entry(header, body ?? '')
  tar.finalize()
  const chunks: Buffer[] = []
  tar.on('data', (chunk: unknown) => void chunks.push(chunk as Buffer))
  await once(tar, 'end')
  return (zlib as unknown as { zstdCompressSync(b: Buffer): Buffer }).zstdCompressSync(
    Buffer.concat(chunks),
  )
}
