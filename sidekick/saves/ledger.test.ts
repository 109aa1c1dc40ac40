import { fstatSync } from 'node:fs'
import { afterEach, expect, test } from 'vitest'
import { SaveLedger } from './ledger.ts'
import type { SavedIndex } from './saved-index.ts'
import { makeFolder, removeFolders } from './trees-for-tests.ts'

afterEach(removeFolders)

const isOpen = ({ fd }: SavedIndex): boolean => {
  try {
    return fstatSync(fd).isFile()
  } catch {
    return false
  }
}

const recorded = (ledger: SaveLedger, saveId: string): SavedIndex => {
  const index: SavedIndex = {
    saveId,
    fd: ledger.openNameless(),
    lengthBytes: 0,
    trees: ['home', 'env'],
    scan: { startedAtNs: 0n, suspects: new Set(), quiet: new Map() },
    missing: new Set(),
    treeEntries: 0,
    treeBytes: 0,
  }
  const counts = { bytes: 0, entries: 0, treeEntries: 0, treeBytes: 0 }
  ledger.record({ saveId, kind: 'full', sha256: '', ...counts }, index)
  return index
}

test('an index that is read stays open until its last reader is done, whatever is published', () => {
  const ledger = new SaveLedger(makeFolder())
  const base = recorded(ledger, 'base')
  ledger.publish('base')
  const releases = [ledger.hold(base), ledger.hold(base)]
  recorded(ledger, 'next')
  ledger.publish('next')
  expect(isOpen(base)).toBe(true)
  releases[0]?.()
  expect(isOpen(base)).toBe(true)
  releases[1]?.()
  expect(isOpen(base)).toBe(false)
})

test('one that is forgotten while it is read, too; one that nobody reads is closed at once', () => {
  const ledger = new SaveLedger(makeFolder())
  const [read, unread] = [recorded(ledger, 'read'), recorded(ledger, 'unread')]
  const release = ledger.hold(read)
  ledger.forget('read')
  ledger.forget('unread')
  expect([isOpen(read), isOpen(unread)]).toEqual([true, false])
  release()
  expect(isOpen(read)).toBe(false)
})

test('what stays the base stays open when its readers are done', () => {
  const ledger = new SaveLedger(makeFolder())
  const base = recorded(ledger, 'base')
  ledger.hold(base)()
  expect(isOpen(base)).toBe(true)
})
