import { appendFileSync, chmodSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { lookForChanges } from './dirty.ts'
import { setUserAttribute } from './libc.ts'
import { makeRoots, portrait, putBack, removeFolders, takeSave } from './trees-for-tests.ts'
import type { TreeRoots } from './tree-path.ts'

const NOBODY = 65_534
const asRoot = process.geteuid?.() === 0
let roots: TreeRoots

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

/** A compute's user is nobody special: no mode is overridden for it. */
beforeEach(() => {
  if (asRoot) process.seteuid?.(NOBODY)
  roots = makeRoots()
})
afterEach(() => {
  if (asRoot) process.seteuid?.(0)
  removeFolders()
})

const home = (...parts: string[]): string => join(roots.home, ...parts)

const plant = (): void => {
  writeFileSync(home('secret'), 'nobody reads this')
  setUserAttribute(Buffer.from(home('secret')), 'user.kept', Buffer.from('too'))
  chmodSync(home('secret'), 0)
  mkdirSync(home('closed', 'inner'), { recursive: true })
  writeFileSync(home('closed', 'inner', 'file'), 'x')
  chmodSync(home('closed', 'inner', 'file'), 0o200)
  chmodSync(home('closed', 'inner'), 0)
  chmodSync(home('closed'), 0)
  mkdirSync(home('read-only'))
  writeFileSync(home('read-only', 'one'), '1')
  writeFileSync(home('read-only', 'two'), '2')
  chmodSync(home('read-only'), 0o555)
}

/** As root, who sees through every mode. */
const look = (of: TreeRoots): readonly string[] => {
  if (asRoot) process.seteuid?.(0)
  const lines = portrait(of)
  if (asRoot) process.seteuid?.(NOBODY)
  return lines
}

test.runIf(asRoot)(
  'what its owner cannot read is saved and restored, modes untouched',
  async () => {
    plant()
    const before = look(roots)
    const save = await takeSave(roots)
    expect(look(roots)).toEqual(before)
    const to = makeRoots()
    await putBack(to, [save.bytes])
    expect(look(to)).toEqual(before)
  },
)

test.runIf(asRoot)('reading what is locked makes nothing dirty, writing it does', async () => {
  plant()
  await sleep(70)
  let save = await takeSave(roots)
  for (let again = 0; again < 3; again++) {
    save = await takeSave(roots, save.index)
    expect(save.entries).toBe(1)
    const { dirty, quiet } = lookForChanges({ base: save.index, roots, withinMs: 5000 })
    expect(dirty).toBe(false)
    const scan = { ...save.index.scan, quiet: new Map([...save.index.scan.quiet, ...quiet]) }
    save = { ...save, index: { ...save.index, scan } }
  }
  chmodSync(home('secret'), 0o600)
  appendFileSync(home('secret'), '!')
  chmodSync(home('secret'), 0)
  expect((await takeSave(roots, save.index)).entries).toBe(2)
  expect(lookForChanges({ base: save.index, roots, withinMs: 5000 }).dirty).toBe(true)
})

test.runIf(asRoot)('a delta changes what is inside read-only and closed folders', async () => {
  plant()
  const full = await takeSave(roots)
  chmodSync(home('read-only'), 0o755)
  rmSync(home('read-only', 'one'))
  chmodSync(home('read-only'), 0o555)
  chmodSync(home('read-only', 'two'), 0o600)
  appendFileSync(home('read-only', 'two'), ' and more')
  chmodSync(home('closed'), 0o700)
  chmodSync(home('closed', 'inner'), 0o700)
  appendFileSync(home('closed', 'inner', 'file'), 'y')
  chmodSync(home('closed', 'inner'), 0)
  chmodSync(home('closed'), 0)
  const delta = await takeSave(roots, full.index)
  expect(delta.kind).toBe('delta')
  const to = makeRoots()
  await putBack(to, [full.bytes, delta.bytes])
  expect(look(to)).toEqual(look(roots))
  // Starting over empties folders nobody may write to.
  await putBack(to, [full.bytes, delta.bytes])
  expect(look(to)).toEqual(look(roots))
})

test.runIf(asRoot)('an entry of another user is named in the refusal', async () => {
  process.seteuid?.(0)
  writeFileSync(home('foreign'), 'x')
  chmodSync(home('foreign'), 0)
  process.seteuid?.(NOBODY)
  await expect(takeSave(roots)).rejects.toMatchObject({
    code: 'forbidden',
    message: expect.stringContaining('home/foreign'),
  })
  expect(statSync(home('foreign')).mode & 0o777).toBe(0)
})
