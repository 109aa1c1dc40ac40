/**
 * What changed between two sorted lists of entries, as a streaming merge.
 *
 * An entry is unchanged only when everything lstat says is equal and its ctime is older than the
 * base's scan: what was written while the base was being read is always sent again.
 */
import type { TreeEntry } from './tree-entry.ts'
import { compareTreePaths, isInside } from './tree-path.ts'

export type Change =
  | { readonly kind: 'same'; readonly entry: TreeEntry }
  /** `before` is what the base has under the same path. */
  | { readonly kind: 'changed'; readonly entry: TreeEntry; readonly before: TreeEntry | null }
  /**
   * Only the topmost path: what was below it went too. Of a folder that became something else as
   * well, before its change: what it became may be gone when its turn comes to be sent.
   */
  | { readonly kind: 'removed'; readonly path: string }

/** What is known of the scan that made the base. */
export interface BaseScan {
  readonly startedAtNs: bigint
  /** Inodes whose content may have changed without a trace in ctime, or was not sent as indexed. */
  readonly suspects: ReadonlySet<bigint>
  /** inode → ctime left by our own chmod; see access.ts. */
  readonly quiet: ReadonlyMap<bigint, bigint>
}

/** The kernel stamps files with a clock that lags behind by up to one tick (10 ms at 100 Hz). */
export const CLOCK_MARGIN_NS = 50_000_000n

export function* changesBetween(
  base: Iterable<TreeEntry>,
  now: Iterable<TreeEntry>,
  scan: BaseScan,
): Generator<Change, void, undefined> {
  const olds = base[Symbol.iterator]()
  const settledBeforeNs = scan.startedAtNs - CLOCK_MARGIN_NS
  let old = olds.next()
  let goneFolder: string | null = null
  const removed = function* (path: string): Generator<Change> {
    if (goneFolder !== null && isInside(path, goneFolder)) return
    goneFolder = path
    yield { kind: 'removed', path }
  }
  for (const entry of now) {
    while (!old.done && compareTreePaths(old.value.path, entry.path) < 0) {
      yield* removed(old.value.path)
      old = olds.next()
    }
    if (old.done || old.value.path !== entry.path) {
      yield { kind: 'changed', entry, before: null }
      continue
    }
    const before = old.value
    if (before.type === 'directory' && entry.type !== 'directory') yield* removed(entry.path)
    const isUnchanged = isSame(before, entry, scan, settledBeforeNs)
    yield isUnchanged ? { kind: 'same', entry } : { kind: 'changed', entry, before }
    old = olds.next()
  }
  for (; !old.done; old = olds.next()) yield* removed(old.value.path)
}

const isSame = (
  old: TreeEntry,
  entry: TreeEntry,
  scan: BaseScan,
  settledBeforeNs: bigint,
): boolean => {
  if (
    old.type !== entry.type ||
    old.ino !== entry.ino ||
    old.size !== entry.size ||
    old.mode !== entry.mode ||
    old.nlink !== entry.nlink ||
    old.uid !== entry.uid ||
    old.gid !== entry.gid ||
    old.mtimeNs !== entry.mtimeNs ||
    scan.suspects.has(entry.ino)
  )
    return false
  // An mtime beyond the ctime was set by hand and says nothing about when it was written.
  if (scan.quiet.get(entry.ino) === entry.ctimeNs)
    return entry.mtimeNs < settledBeforeNs || entry.mtimeNs > entry.ctimeNs
  return old.ctimeNs === entry.ctimeNs && entry.ctimeNs < settledBeforeNs
}
