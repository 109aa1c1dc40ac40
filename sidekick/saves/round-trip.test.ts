import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFileSync,
  chmodSync,
  closeSync,
  ftruncateSync,
  linkSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { afterEach, expect, test, vi } from 'vitest'
import { mkfifo, setMtimeNs, setUserAttribute } from './libc.ts'
import type { TreeRoots } from './tree-path.ts'
import {
  allocatedBytes,
  inPieces,
  makeRoots,
  portrait,
  putBack,
  removeFolders,
  takeSave,
} from './trees-for-tests.ts'
import { decompressor } from './zstd.ts'

const MEBIBYTE = 1024 * 1024
// Thousands of files, on disks that may be busy.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

afterEach(removeFolders)

const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 70))

test('a tree of every kind of entry comes back equal', async () => {
  const from = makeRoots()
  plant(from)
  const save = await takeSave(from)
  const to = makeRoots()
  const entries = await putBack(to, [save.bytes])
  expect(entries).toBe(save.entries)
  expect(portrait(to)).toEqual(portrait(from))
  expect(allocatedBytes(join(to.home, 'sparse'))).toBeLessThan(MEBIBYTE)
  // Neither zeros nor holes take room in the stream.
  expect(save.bytes.length).toBeLessThan(MEBIBYTE)
})

test(
  'ten cycles of change, save and restore keep the tree equal',
  { timeout: 60_000 },
  async () => {
    const from = makeRoots()
    plant(from, 300)
    const parts: Buffer[] = []
    let base = null
    for (let cycle = 0; cycle < 10; cycle++) {
      await settle()
      const save = await takeSave(from, base)
      expect(save.kind).toBe(cycle === 0 ? 'full' : 'delta')
      parts.push(save.bytes)
      base = save.index
      const to = makeRoots()
      await putBack(to, parts)
      expect(portrait(to)).toEqual(portrait(from))
      rmSync(join(from.home, 'many', `${cycle}`))
      appendFileSync(join(from.home, 'many', '100'), `cycle ${cycle}`)
      renameSync(join(from.home, `moved-${cycle}`), join(from.home, `moved-${cycle + 1}`))
      writeFileSync(join(from.env, `new-${cycle}`), 'x'.repeat(cycle * 1000))
    }
  },
)

test('a delta of an unchanged tree is nothing but its list of removals', async () => {
  const from = makeRoots()
  plant(from, 50)
  await settle()
  const full = await takeSave(from)
  const delta = await takeSave(from, full.index)
  expect(delta.entries).toBe(1)
  expect(delta.index.treeEntries).toBe(full.index.treeEntries)
})

test('sockets are left out, the sidekick does not stumble over them', async () => {
  const from = makeRoots()
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(join(from.home, 'socket'), resolve))
  writeFileSync(join(from.home, 'file'), 'x')
  const save = await takeSave(from)
  const to = makeRoots()
  await putBack(to, [save.bytes])
  server.close()
  expect(portrait(to).map((line) => line.split(' ')[0])).toEqual(['"env"', '"home"', '"home/file"'])
})

test('declared scratch is not saved and is left alone by a restore', async () => {
  const from = makeRoots()
  mkdirSync(join(from.home, '.cache'))
  writeFileSync(join(from.home, '.cache', 'big'), 'x')
  const save = await takeSave(from)
  expect(save.entries).toBe(2)
})

test(
  'a plain tar reads the archive, holes and odd names included',
  { timeout: 60_000 },
  async () => {
    const from = makeRoots()
    plant(from, 20)
    const save = await takeSave(from)
    const to = makeRoots()
    const folder = join(to.home, '..')
    const tar = spawn('tar', ['-x', '-p', '-C', folder], { stdio: ['pipe', 'ignore', 'ignore'] })
    const ended = once(tar, 'close')
    // Tar stops reading at the end marker; the zeros that pad the last record may then find no reader.
    await pipeline(inPieces(save.bytes), decompressor(), tar.stdin).catch((error: unknown) => {
      const { code } = error as NodeJS.ErrnoException
      if (code !== 'EPIPE' && code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error
    })
    expect((await ended)[0]).toBe(0)
    // Tar knows neither our records for names that are not UTF-8 nor libarchive's attributes.
    const known = (lines: readonly string[]): readonly string[] =>
      lines.filter((line) => !/not-utf8|ÿ|ï¿½|"home"|"home\/(attributes|many)"/.test(line))
    expect(known(portrait(to))).toEqual(known(portrait(from)))
  },
)

test('links that share content share it again, also when only one of them is in the delta', async () => {
  const from = makeRoots()
  mkdirSync(join(from.home, 'a'))
  writeFileSync(join(from.home, 'a', 'one'), 'content')
  linkSync(join(from.home, 'a', 'one'), join(from.home, 'two'))
  await settle()
  const full = await takeSave(from)
  renameSync(join(from.home, 'a'), join(from.home, 'b'))
  const delta = await takeSave(from, full.index)
  const to = makeRoots()
  await putBack(to, [full.bytes, delta.bytes])
  expect(portrait(to)).toEqual(portrait(from))
})

test('folders that changed places are told apart', async () => {
  const from = makeRoots()
  for (const name of ['x', 'y']) {
    mkdirSync(join(from.home, name))
    writeFileSync(join(from.home, name, 'file'), name)
    utimesSync(join(from.home, name, 'file'), 1000, 1000)
  }
  await settle()
  const full = await takeSave(from)
  renameSync(join(from.home, 'x'), join(from.home, 'z'))
  renameSync(join(from.home, 'y'), join(from.home, 'x'))
  renameSync(join(from.home, 'z'), join(from.home, 'y'))
  const delta = await takeSave(from, full.index)
  const to = makeRoots()
  await putBack(to, [full.bytes, delta.bytes])
  expect(portrait(to)).toEqual(portrait(from))
})

test('a folder becomes a file, and a file a folder', async () => {
  const from = makeRoots()
  mkdirSync(join(from.home, 'folder', 'deep'), { recursive: true })
  writeFileSync(join(from.home, 'folder', 'deep', 'file'), 'x')
  writeFileSync(join(from.home, 'file'), 'x')
  await settle()
  const full = await takeSave(from)
  rmSync(join(from.home, 'folder'), { recursive: true })
  writeFileSync(join(from.home, 'folder'), 'now a file')
  rmSync(join(from.home, 'file'))
  mkdirSync(join(from.home, 'file'))
  writeFileSync(join(from.home, 'file', 'inside'), 'y')
  const delta = await takeSave(from, full.index)
  const to = makeRoots()
  await putBack(to, [full.bytes, delta.bytes])
  expect(portrait(to)).toEqual(portrait(from))
})

test('what is written while the base is read is in the delta', async () => {
  const from = makeRoots()
  writeFileSync(join(from.home, 'early'), 'before')
  const full = await takeSave(from, null, {
    onBegin: () => appendFileSync(join(from.home, 'early'), ', after'),
  })
  const delta = await takeSave(from, full.index)
  const to = makeRoots()
  await putBack(to, [full.bytes, delta.bytes])
  expect(portrait(to)).toEqual(portrait(from))
})

test('a file that shrinks while it is read is sent as announced and again in the delta', async () => {
  const from = makeRoots()
  const path = join(from.home, 'log')
  writeFileSync(path, Buffer.alloc(32 * MEBIBYTE, 7))
  let cut = false
  const full = await takeSave(from, null, {
    onBegin: () => {
      setTimeout(() => {
        ftruncateSync(openSync(path, 'r+'), 100)
        cut = true
      }, 1)
    },
  })
  expect(cut).toBe(true)
  const delta = await takeSave(from, full.index)
  const to = makeRoots()
  await putBack(to, [full.bytes, delta.bytes])
  expect(portrait(to)).toEqual(portrait(from))
})

test('a folder that is away while the tree is read, and back unchanged, is not lost', async () => {
  const from = makeRoots()
  mkdirSync(join(from.home, 'folder'))
  writeFileSync(join(from.home, 'folder', 'file'), 'x')
  await settle()
  const full = await takeSave(from, null, {
    onBegin: () => renameSync(join(from.home, 'folder'), join(from.env, 'away')),
  })
  renameSync(join(from.env, 'away'), join(from.home, 'folder'))
  const delta = await takeSave(from, full.index)
  const to = makeRoots()
  await putBack(to, [full.bytes, delta.bytes])
  expect(portrait(to)).toEqual(portrait(from))
})

test('over the caps nothing is sent', async () => {
  const from = makeRoots()
  writeFileSync(join(from.home, 'a'), Buffer.alloc(2000))
  const begun: boolean[] = []
  const onBegin = (): void => void begun.push(true)
  await expect(
    takeSave(from, null, { caps: { maxBytes: 1999, maxEntries: 100 }, onBegin }),
  ).rejects.toMatchObject({ code: 'too_large' })
  await expect(
    takeSave(from, null, { caps: { maxBytes: 5000, maxEntries: 2 }, onBegin }),
  ).rejects.toMatchObject({ code: 'too_large' })
  expect(begun).toEqual([])
})

/** The corpus of the reliability plan: everything users have in their trees, and what they should not. */
const plant = (roots: TreeRoots, files = 3_000): void => {
  const home = (...parts: string[]): string => join(roots.home, ...parts)
  writeFileSync(home('contiguous'), Buffer.alloc(MEBIBYTE * 2, 'contiguous'))
  const scattered = openSync(home('scattered'), 'w')
  for (let i = 0; i < 8; i++)
    writeSync(scattered, Buffer.alloc(MEBIBYTE, i + 1), 0, MEBIBYTE, i * 8 * MEBIBYTE)
  closeSync(scattered)
  const sparse = openSync(home('sparse'), 'w')
  writeSync(sparse, Buffer.from('middle'), 0, 6, 30 * MEBIBYTE)
  ftruncateSync(sparse, 50 * MEBIBYTE)
  closeSync(sparse)
  const hollow = openSync(home('hollow'), 'w')
  ftruncateSync(hollow, 10 * MEBIBYTE)
  closeSync(hollow)
  writeFileSync(home('zeros'), Buffer.alloc(3 * MEBIBYTE))
  mkdirSync(home('many'))
  for (let i = 0; i < files; i++) writeFileSync(home('many', String(i)), `file ${i}`.repeat(i % 50))
  mkdirSync(home(...Array.from({ length: 60 }, (_, i) => `deep-${i}`)), { recursive: true })
  writeFileSync(home('ünïcode — ☃'), 'x')
  writeFileSync(home('e\u0301 is not \u00e9'), 'nfd')
  writeFileSync(home('\u00e9 is not e\u0301'), 'nfc')
  writeFileSync(home(' space and\nnewline\ttab '), 'x')
  writeFileSync(home('-rf *'), 'x')
  writeFileSync(home('back\\slash'), 'x')
  writeFileSync(home('a'.repeat(255)), 'x')
  const odd = Buffer.concat([Buffer.from(roots.home), Buffer.from('/not-utf8-\xff\xfe', 'latin1')])
  writeFileSync(odd, 'odd')
  symlinkSync(Buffer.from('to-\xff', 'latin1'), home('odd-target'))
  mkdirSync(Buffer.concat([odd, Buffer.from('d')]))
  writeFileSync(Buffer.concat([odd, Buffer.from('d/inside')]), 'odd')
  symlinkSync('many/1', home('link'))
  symlinkSync('/etc/passwd', home('absolute'))
  symlinkSync('../../../nowhere', home('dangling'))
  symlinkSync('loop', home('loop'))
  linkSync(home('many', '2'), home('hard'))
  linkSync(home('hard'), join(roots.env, 'hard-in-env'))
  linkSync(home('link'), home('hard-symlink'))
  mkfifo(Buffer.from(home('fifo')), 0o640)
  writeFileSync(home('secret'), 'nobody reads this')
  chmodSync(home('secret'), 0)
  mkdirSync(home('closed', 'inner'), { recursive: true })
  writeFileSync(home('closed', 'inner', 'file'), 'x')
  chmodSync(home('closed', 'inner'), 0)
  chmodSync(home('closed'), 0o555)
  writeFileSync(home('setuid'), 'x')
  chmodSync(home('setuid'), 0o4755)
  mkdirSync(home('sticky'))
  chmodSync(home('sticky'), 0o3777)
  writeFileSync(home('attributes'), 'x')
  setUserAttribute(Buffer.from(home('attributes')), 'user.text', Buffer.from('value'))
  setUserAttribute(Buffer.from(home('attributes')), 'user.binary=ü', Buffer.from([0, 255, 10]))
  setUserAttribute(Buffer.from(home('many')), 'user.folder', Buffer.alloc(0))
  writeFileSync(home('old'), 'x')
  setMtimeNs(Buffer.from(home('old')), -1_500_000_001n)
  writeFileSync(home('future'), 'x')
  setMtimeNs(Buffer.from(home('future')), 9_999_999_999_123_456_789n)
  writeFileSync(home('empty'), '')
  mkdirSync(home('moved-0', 'sub'), { recursive: true })
  writeFileSync(home('moved-0', 'sub', 'file'), 'x')
  mkdirSync(join(roots.env, 'bin'))
  writeFileSync(join(roots.env, 'bin', 'tool'), '#!/bin/sh\n', { mode: 0o755 })
}
