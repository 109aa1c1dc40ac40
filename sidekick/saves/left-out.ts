import type { SavedIndex } from './saved-index.ts'
import { isHardLinked, type TreeEntry } from './tree-entry.ts'
import { isInside, parentOf } from './tree-path.ts'

/**
 * What the scan counted and the archive could not send, because it went away in between. The index
 * must not promise it: a restore counts what it finds.
 */
export class LeftOut {
  readonly #base: SavedIndex | null
  readonly #missing = new Set<string>()
  /** inode → size of what has several names: its bytes were counted once. */
  readonly #linked = new Map<bigint, number>()
  #folder: string | null = null
  #entries = 0
  #bytes = 0

  constructor(base: SavedIndex | null) {
    this.#base = base
  }

  /** Inside a folder that was left out: it may be there again, but the archive has no place for it. */
  covers(path: string): boolean {
    return this.#folder !== null && isInside(path, this.#folder)
  }

  /** In walk order. `before` is what the base's index has under that path. */
  add(entry: TreeEntry, before: TreeEntry | null): void {
    if (entry.type === 'directory' && !this.covers(entry.path)) this.#folder = entry.path
    if (before && this.#comesBack(entry, before)) {
      // The restore has it as it was.
      if (!isHardLinked(entry)) this.#bytes += entry.size - before.size
      return
    }
    this.#entries += 1
    if (isHardLinked(entry)) this.#linked.set(entry.ino, entry.size)
    else this.#bytes += entry.size
    if (!isAmong(this.#missing, entry.path)) this.#missing.add(entry.path)
  }

  /** The index of what a restore gives. `sent`: inodes with several names of which one was sent. */
  correct(index: SavedIndex, sent: ReadonlyMap<bigint, string>): SavedIndex {
    let bytes = this.#bytes
    for (const [ino, size] of this.#linked) if (!sent.has(ino)) bytes += size
    return {
      ...index,
      missing: this.#missing,
      treeEntries: index.treeEntries - this.#entries,
      treeBytes: Math.max(0, index.treeBytes - bytes),
    }
  }

  #comesBack(entry: TreeEntry, before: TreeEntry): boolean {
    // A folder that became something else is in the list of removals, see delta.ts.
    if (before.type === 'directory' && entry.type !== 'directory') return false
    return !isAmong(this.#base?.missing ?? NOTHING, entry.path)
  }
}

const NOTHING: ReadonlySet<string> = new Set()

/** One of the paths, or inside one. */
const isAmong = (paths: ReadonlySet<string>, path: string): boolean =>
  paths.size > 0 && (paths.has(path) || (path.includes('/') && isAmong(paths, parentOf(path))))
