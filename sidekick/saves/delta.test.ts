import { expect, test } from 'vitest'
import { type BaseScan, changesBetween, CLOCK_MARGIN_NS } from './delta.ts'
import type { TreeEntry } from './tree-entry.ts'
import { compareTreePaths } from './tree-path.ts'

const STARTED_AT = 1_000_000_000_000n
const scan: BaseScan = { startedAtNs: STARTED_AT, suspects: new Set(), quiet: new Map() }

const entry = (path: string, more: Partial<TreeEntry> = {}): TreeEntry => ({
  path,
  type: 'file',
  ino: 1n,
  size: 1,
  mode: 0o644,
  nlink: 1,
  uid: 0,
  gid: 0,
  mtimeNs: 1n,
  ctimeNs: 1n,
  ...more,
})
const kinds = (
  before: readonly TreeEntry[],
  now: readonly TreeEntry[],
  since = scan,
): readonly string[] =>
  [...changesBetween(before, now, since)].map((change) =>
    change.kind === 'removed' ? `removed ${change.path}` : `${change.kind} ${change.entry.path}`,
  )

test('an entry that looks the same but was written as the base was read is sent again', () => {
  const at = (ctimeNs: bigint): TreeEntry[] => [entry('home/a', { ctimeNs })]
  expect(kinds(at(STARTED_AT), at(STARTED_AT))).toEqual(['changed home/a'])
  // The kernel's clock lags behind by a tick.
  expect(kinds(at(STARTED_AT - 1n), at(STARTED_AT - 1n))).toEqual(['changed home/a'])
  const settled = STARTED_AT - CLOCK_MARGIN_NS - 1n
  expect(kinds(at(settled), at(settled))).toEqual(['same home/a'])
})

test.each([
  ['inode', { ino: 2n }],
  ['size', { size: 2 }],
  ['mode', { mode: 0o600 }],
  ['owner', { uid: 1 }],
  ['group', { gid: 1 }],
  ['number of names', { nlink: 2 }],
  ['mtime', { mtimeNs: 2n }],
  ['ctime', { ctimeNs: 2n }],
  ['type', { type: 'fifo' as const }],
])('another %s is a change', (_, more) => {
  expect(kinds([entry('home/a')], [entry('home/a', more)])).toEqual(['changed home/a'])
})

test('a suspect is always sent again', () => {
  const since = { ...scan, suspects: new Set([1n]) }
  expect(kinds([entry('home/a')], [entry('home/a')], since)).toEqual(['changed home/a'])
})

test('a ctime that is our own doing is no change, a write beside it is', () => {
  const since = { ...scan, quiet: new Map([[1n, STARTED_AT + 5n]]) }
  const ours = { ctimeNs: STARTED_AT + 5n }
  expect(kinds([entry('home/a')], [entry('home/a', ours)], since)).toEqual(['same home/a'])
  const written = { ...ours, mtimeNs: STARTED_AT + 1n }
  expect(kinds([entry('home/a', written)], [entry('home/a', written)], since)).toEqual([
    'changed home/a',
  ])
})

test('only the topmost of what went away is named, siblings that begin alike are not under it; so is a folder that became something else', () => {
  const folder = { type: 'directory' as const }
  const before = [
    entry('home/a', folder),
    entry('home/a/x'),
    entry('home/a/y', folder),
    entry('home/a/y/z'),
    entry('home/a.b'),
    entry('home/c', folder),
    entry('home/c/d'),
  ]
  expect(kinds(before, [entry('home/c')])).toEqual([
    'removed home/a',
    'removed home/a.b',
    'removed home/c',
    'changed home/c',
  ])
})

test('a folder stands before what is in it, and that before siblings that begin alike', () => {
  const sorted = ['home', 'home/a', 'home/a/z', 'home/a b', 'home/a.b', 'home/ab', 'home/\xff']
  expect(sorted.toReversed().sort(compareTreePaths)).toEqual(sorted)
})
