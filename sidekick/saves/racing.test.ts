/** A tree that users change while it is saved: between the scan and the turn of each entry. */
import {
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, expect, test, vi } from 'vitest'
import { attempt, editsOf } from './edits-for-tests.ts'
import type { SavedIndex } from './saved-index.ts'
import { makeRoots, portrait, putBack, removeFolders, takeSave } from './trees-for-tests.ts'

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

/** Told of each entry right before and right after its turn. */
const user = vi.hoisted(() => ({
  before: (_path: string): void => {},
  after: (_path: string): void => {},
}))
vi.mock('./archive-entry.ts', async (original) => {
  const real = await original<typeof import('./archive-entry.ts')>()
  const appendEntry: typeof real.appendEntry = async (tar, source, entry) => {
    user.before(entry.path)
    try {
      return await real.appendEntry(tar, source, entry)
    } finally {
      user.after(entry.path)
    }
  }
  return { ...real, appendEntry }
})

afterEach(() => {
  user.before = user.after = () => {}
  removeFolders()
})

const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 70))

/** What a worker compares at a restore. */
const restoredCount = async (parts: readonly Buffer[]): Promise<number> => {
  const to = makeRoots()
  await putBack(to, parts)
  return portrait(to).length
}

test('a file that goes away before it is read is not counted', async () => {
  const from = makeRoots()
  for (const name of ['a', 'b', 'c']) writeFileSync(join(from.home, name), name.repeat(100))
  linkSync(join(from.home, 'c'), join(from.home, 'd'))
  await settle()
  const full = await takeSave(from, null, {
    onBegin: () => ['b', 'c', 'd'].forEach((name) => rmSync(join(from.home, name))),
  })
  expect(full.index).toMatchObject({ treeEntries: 3, treeBytes: 100 })
  expect(await restoredCount([full.bytes])).toBe(3)
})

test('what goes away before a delta reads it is counted when the base has it, else not', async () => {
  const from = makeRoots()
  const at = (name: string): string => join(from.home, name)
  for (const name of ['kept', 'changed', 'lost']) writeFileSync(at(name), name)
  mkdirSync(at('was a folder'))
  writeFileSync(join(at('was a folder'), 'inside'), 'x')
  await settle()
  const full = await takeSave(from, null, { onBegin: () => rmSync(at('lost')) })
  writeFileSync(at('lost'), 'once more')
  writeFileSync(at('changed'), 'changed since')
  writeFileSync(at('new'), 'new')
  rmSync(at('was a folder'), { recursive: true })
  writeFileSync(at('was a folder'), 'a file now')
  const delta = await takeSave(from, full.index, {
    onBegin: () => ['lost', 'changed', 'new', 'was a folder'].forEach((name) => rmSync(at(name))),
  })
  // home, env, kept, and changed as the base has it.
  expect(delta.index).toMatchObject({ treeEntries: 4, treeBytes: 'kept'.length + 'changed'.length })
  expect(await restoredCount([full.bytes, delta.bytes])).toBe(4)
})

test('a folder that is away at its turn, and made again before that of its files, is left out with them', async () => {
  const from = makeRoots()
  const folder = join(from.home, 'd')
  const build = (): void => {
    mkdirSync(join(folder, 'deep'), { recursive: true })
    writeFileSync(join(folder, 'deep', 'file'), 'built')
  }
  build()
  await settle()
  user.before = (path) => path === 'home/d' && rmSync(folder, { recursive: true })
  user.after = (path) => path === 'home/d' && build()
  const full = await takeSave(from)
  expect(full.index.treeEntries).toBe(2)
  expect(await restoredCount([full.bytes])).toBe(2)
  user.before = user.after = () => {}
  const delta = await takeSave(from, full.index)
  const to = makeRoots()
  await putBack(to, [full.bytes, delta.bytes])
  expect(portrait(to)).toEqual(portrait(from))
})

test('a file below a folder that becomes a link to elsewhere is left out, not read from there', async () => {
  const from = makeRoots()
  const at = (name: string): string => join(from.home, name)
  const elsewhere = `${from.home} elsewhere`
  for (const folder of [at('d'), at('e'), elsewhere]) mkdirSync(folder)
  for (const name of ['d/f', 'e/f']) writeFileSync(at(name), 'of the tree')
  writeFileSync(join(elsewhere, 'f'), 'of nobody here')
  await settle()
  user.before = (path) => {
    // One is gone behind a link, one took the place of another as an editor's saves do.
    if (path === 'home/d/f') {
      renameSync(at('d'), at('moved'))
      symlinkSync(elsewhere, at('d'))
    }
    if (path === 'home/e/f') {
      writeFileSync(at('new'), 'of the tree, later')
      renameSync(at('new'), at('e/f'))
    }
  }
  const full = await takeSave(from)
  const to = makeRoots()
  await putBack(to, [full.bytes])
  const lines = portrait(to)
  expect(lines.filter((line) => line.includes('d/f'))).toEqual([])
  expect(readFileSync(join(to.home, 'e/f'), 'utf8')).toBe('of the tree, later')
  user.before = () => {}
  const delta = await takeSave(from, full.index)
  await putBack(to, [full.bytes, delta.bytes])
  expect(portrait(to)).toEqual(portrait(from))
})

test('a file does not get the content of one that took the other of its two names', async () => {
  const from = makeRoots()
  const at = (name: string): string => join(from.home, name)
  writeFileSync(at('a'), 'untouched')
  linkSync(at('a'), at('b'))
  writeFileSync(at('new'), 'another file')
  symlinkSync('untouched', at('s'))
  linkSync(at('s'), at('t'))
  symlinkSync('another', at('new link'))
  await settle()
  const full = await takeSave(from, null, {
    onBegin: () => {
      renameSync(at('new'), at('a'))
      renameSync(at('new link'), at('s'))
    },
  })
  const to = makeRoots()
  await putBack(to, [full.bytes])
  expect(readFileSync(join(to.home, 'b'), 'utf8')).toBe('untouched')
  expect(statSync(join(to.home, 'b')).nlink).toBe(1)
  expect(portrait(to).find((line) => line.startsWith('"home/t"'))).toMatch(/untouched$/)
  const delta = await takeSave(from, full.index)
  await putBack(to, [full.bytes, delta.bytes])
  expect(portrait(to)).toEqual(portrait(from))
})

test('folders that change places while they are read, and back, are told apart afterwards', async () => {
  const from = makeRoots()
  const at = (name: string): string => join(from.home, name)
  const swap = (): void => {
    renameSync(at('x'), at('aside'))
    renameSync(at('y'), at('x'))
    renameSync(at('aside'), at('y'))
  }
  for (const name of ['x', 'y']) {
    mkdirSync(at(name))
    writeFileSync(join(at(name), 'file'), name)
    symlinkSync(name, join(at(name), 'link'))
  }
  await settle()
  const full = await takeSave(from, null, { onBegin: swap })
  swap()
  const delta = await takeSave(from, full.index)
  const to = makeRoots()
  await putBack(to, [full.bytes, delta.bytes])
  expect(portrait(to)).toEqual(portrait(from))
})

test('whatever is edited while saves are read, each can be restored, and a quiet one is exact', async () => {
  // Very few names, so that what is edited is mostly what has its turn next.
  const edits = fc.array(editsOf(['a', 'b'], 2), { minLength: 1, maxLength: 6 })
  const save = fc.array(fc.record({ turn: fc.nat(6), edits }), { minLength: 1, maxLength: 4 })
  const round = fc.record({ edits: fc.array(edits, { maxLength: 4 }), save })
  await fc.assert(
    fc.asyncProperty(fc.array(round, { minLength: 1, maxLength: 4 }), async (rounds) => {
      const from = makeRoots()
      const parts: Buffer[] = []
      let base: SavedIndex | null = null
      let step = 0
      for (const { edits, save: racing } of rounds) {
        for (const each of edits.flat()) attempt(from, each, step++)
        let turn = 0
        user.before = () => {
          for (const { turn: at, edits: now } of racing)
            if (at === turn) for (const each of now) attempt(from, each, step++)
          turn += 1
        }
        const live = await takeSave(from, base)
        user.before = () => {}
        parts.push(live.bytes)
        base = live.index
        expect(await restoredCount(parts)).toBe(live.index.treeEntries)
      }
      parts.push((await takeSave(from, base)).bytes)
      const to = makeRoots()
      await putBack(to, parts)
      expect(portrait(to)).toEqual(portrait(from))
      removeFolders()
    }),
    { numRuns: 100, interruptAfterTimeLimit: 10_000 },
  )
}, 120_000)
