import { createHash, randomBytes } from 'node:crypto'
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, test, vi } from 'vitest'
import { openSidekick, startSidekick, stopSidekicks } from './sidekick-for-tests.ts'
import { portrait, removeFolders } from './trees-for-tests.ts'

// Each starts real processes, on machines that may be busy.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

afterEach(async () => {
  await stopSidekicks()
  removeFolders()
})

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

test('a save goes out, comes back into another compute, and deltas go on from there', async () => {
  const one = await openSidekick()
  mkdirSync(join(one.roots.home, 'work'))
  writeFileSync(join(one.roots.home, 'work', 'file'), 'first')
  const full = await one.archive('s1')
  expect(full.status).toBe(200)
  expect(full.headers['x-dormouse-archive']).toBe('full')
  expect(await one.summary('s1')).toEqual({
    saveId: 's1',
    kind: 'full',
    bytes: full.bytes.length,
    sha256: sha256(full.bytes),
    ordinal: 1,
    entries: 4,
    treeEntries: 4,
    treeBytes: 5,
  })
  expect((await one.published('s1')).status).toBe(204)
  await sleep(60)
  appendFileSync(join(one.roots.home, 'work', 'file'), ' second')
  const delta = await one.archive('s2', 's1')
  expect(delta.headers['x-dormouse-archive']).toBe('delta')

  const two = await startSidekick()
  writeFileSync(join(two.roots.home, 'left over'), 'from an attempt that failed')
  for (const [index, part] of [full.bytes, delta.bytes].entries()) {
    const answer = await two.call('PUT', `/v1/restore?index=${index}&count=2`, part)
    expect(answer.status, answer.bytes.toString()).toBe(200)
  }
  const restored = await two.call('POST', '/v1/restored', { saveId: 's2' })
  expect(restored.json()).toEqual({ entries: 4, sizeBytes: 12 })
  expect(portrait(two.roots)).toEqual(portrait(one.roots))

  await two.call('POST', '/v1/open')
  expect(await two.isDirty()).toBe(false)
  expect((await two.archive('s3', 's2')).headers['x-dormouse-archive']).toBe('delta')
  expect((await two.summary('s3')).entries).toBe(1)
  await sleep(1000)
  appendFileSync(join(two.roots.home, 'work', 'file'), '!')
  expect(await two.isDirty()).toBe(true)
})

test('a base nobody knows here makes a full save', async () => {
  const sidekick = await openSidekick()
  expect((await sidekick.archive('s2', 's1')).headers['x-dormouse-archive']).toBe('full')
  expect((await sidekick.published('s9')).status).toBe(404)
  expect((await sidekick.call('GET', '/v1/saves/s9')).status).toBe(404)
})

test('a save that was never published leaves the last published one as base', async () => {
  const sidekick = await openSidekick()
  await sidekick.archive('s1')
  await sidekick.published('s1')
  await sidekick.archive('s2', 's1')
  await sidekick.archive('s3', 's2')
  expect((await sidekick.archive('s4', 's1')).headers['x-dormouse-archive']).toBe('delta')
  await sidekick.published('s3')
  await sidekick.published('s3')
  expect((await sidekick.archive('s5', 's1')).headers['x-dormouse-archive']).toBe('full')
})

test('a late word about an older save does not end the one under way', async () => {
  const sidekick = await openSidekick()
  // More than one block of the index is left to be read when the stream stands still.
  for (let i = 0; i < 6_000; i++) writeFileSync(join(sidekick.roots.home, `file ${i}`), '')
  await sleep(60)
  await sidekick.archive('s1')
  await sidekick.published('s1')
  await sidekick.archive('given-up', 's1')
  writeFileSync(join(sidekick.roots.env, 'noise'), randomBytes(24 * 1024 * 1024))
  const body = { saveId: 's2', baseSaveId: 's1', trees: ['home', 'env'] }
  const response = await sidekick.open('POST', '/v1/archive', body)
  expect(response.headers['x-dormouse-archive']).toBe('delta')
  expect((await sidekick.published('given-up')).status).toBe(204)
  const hash = createHash('sha256')
  for await (const chunk of response as AsyncIterable<Buffer>) hash.update(chunk)
  expect(await sidekick.summary('s2')).toMatchObject({
    sha256: hash.digest('hex'),
    entries: 3,
    treeEntries: 6_003,
  })
  // And is a base itself, for it knows the tree.
  expect((await sidekick.archive('s3', 's2')).headers['x-dormouse-archive']).toBe('delta')
})

test('who asks anew whether anything changed is told of what was written a moment ago', async () => {
  const sidekick = await openSidekick()
  const isDirtyNow = async (): Promise<boolean> =>
    (await sidekick.call('GET', '/v1/activity?fresh=1')).json<{ dirty: boolean }>().dirty
  await sleep(60)
  await sidekick.archive('s1')
  await sidekick.published('s1')
  expect(await sidekick.isDirty()).toBe(false)
  writeFileSync(join(sidekick.roots.home, 'written'), '')
  const both = await Promise.all([isDirtyNow(), isDirtyNow()])
  expect(both).toEqual([true, true])
  // Several at once neither get in each other's way nor end in a guess.
  await sidekick.archive('s2', 's1')
  await sidekick.published('s2')
  await sleep(60)
  await sidekick.archive('s3', 's2')
  await sidekick.published('s3')
  expect(await Promise.all([sidekick.isDirty(), isDirtyNow(), isDirtyNow()])).toEqual([
    false,
    false,
    false,
  ])
})

test('over the cap the answer is 413 and no stream', async () => {
  const sidekick = await openSidekick({ caps: { maxBytes: 10, maxEntries: 100 } })
  writeFileSync(join(sidekick.roots.home, 'file'), 'eleven bytes')
  const answer = await sidekick.archive('s1')
  expect(answer.status).toBe(413)
  expect(answer.json()).toMatchObject({ code: 'too_large' })
})

test('a receiver that goes away does not stop the next save', async () => {
  const sidekick = await openSidekick()
  const noise = Buffer.from(Array.from({ length: 1 << 16 }, () => Math.random() * 256))
  for (let i = 0; i < 400; i++) writeFileSync(join(sidekick.roots.home, `${i}`), noise)
  const leaving = new AbortController()
  const body = { saveId: 's1', baseSaveId: null, trees: ['home', 'env'] }
  const response = await sidekick.open('POST', '/v1/archive', body, leaving.signal)
  response.on('error', () => {})
  expect((await sidekick.call('GET', '/v1/saves/s1')).status).toBe(409)
  leaving.abort()
  const again = await sidekick.archive('s1')
  expect(again.status).toBe(200)
  expect((await sidekick.summary('s1')).sha256).toBe(sha256(again.bytes))
})

test('a restore of a damaged part is refused, stays claimed, and can start over', async () => {
  const one = await openSidekick()
  writeFileSync(join(one.roots.home, 'file'), readFileSync(process.execPath).subarray(0, 3_000_000))
  const { bytes } = await one.archive('s1')
  const two = await startSidekick()
  const flipped = Buffer.from(bytes)
  flipped[bytes.length >> 1] = (flipped[bytes.length >> 1] ?? 0) ^ 1
  for (const damaged of [flipped, bytes.subarray(0, -3), bytes.subarray(0, 100), Buffer.alloc(0)]) {
    const answer = await two.call('PUT', '/v1/restore?index=0&count=1', damaged)
    expect(answer.status, answer.bytes.toString()).toBe(422)
    expect(await two.state()).toBe('claimed')
    expect((await two.call('PUT', '/v1/restore?index=1&count=2', bytes)).status).toBe(409)
  }
  expect((await two.call('PUT', '/v1/restore?index=0&count=1', bytes)).status).toBe(200)
  expect(portrait(two.roots)).toEqual(portrait(one.roots))
})

test('a sender that breaks off in the middle of a part leaves the compute claimed', async () => {
  const one = await openSidekick()
  writeFileSync(join(one.roots.home, 'file'), readFileSync(process.execPath).subarray(0, 3_000_000))
  const { bytes } = await one.archive('s1')
  const two = await startSidekick()
  const { Readable } = await import('node:stream')
  const leaving = new AbortController()
  const endless = Readable.from(
    (async function* () {
      yield bytes.subarray(0, bytes.length >> 1)
      setTimeout(() => leaving.abort(), 50)
      await sleep(10_000, undefined, { signal: leaving.signal })
    })(),
  )
  endless.on('error', () => {})
  await expect(
    two.open('PUT', '/v1/restore?index=0&count=1', endless, leaving.signal),
  ).rejects.toThrow()
  expect(await two.state()).toBe('claimed')
  expect((await two.call('PUT', '/v1/restore?index=0&count=1', bytes)).status).toBe(200)
})

test('users come in only after the restore, and nobody restores over them', async () => {
  const sidekick = await openSidekick()
  expect((await sidekick.call('PUT', '/v1/restore?index=0&count=1', Buffer.alloc(0))).status).toBe(
    409,
  )
})
