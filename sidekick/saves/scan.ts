import { Failure } from '../errors.ts'
import { LentAccess } from './access.ts'
import { IndexWriter } from './index-file.ts'
import { writableMappings } from './mappings.ts'
import type { SavedIndex } from './saved-index.ts'
import { isHardLinked } from './tree-entry.ts'
import { locator, type TreeName, type TreeRoots } from './tree-path.ts'
import { walkTrees } from './walk.ts'

export interface Caps {
  readonly maxBytes: number
  readonly maxEntries: number
}

export interface ScanOptions {
  readonly saveId: string
  readonly roots: TreeRoots
  readonly trees: readonly TreeName[]
  readonly caps: Caps
  /** Empty file, open for reading and writing. */
  readonly indexFd: number
}

/** Sets of the index that grow while the archive is read: see BaseScan. */
export interface Scan {
  readonly index: SavedIndex
  readonly suspects: Set<bigint>
  readonly access: LentAccess
}

/** Walks the trees once and writes their index. Errors: too_large, forbidden. */
export const scanTrees = ({ saveId, roots, trees, caps, indexFd }: ScanOptions): Scan => {
  // First the clock, then the mappings, then the walk: see mappings.ts and CLOCK_MARGIN_NS.
  const startedAtNs = BigInt(Date.now()) * 1_000_000n
  const suspects = new Set(writableMappings())
  const access = new LentAccess(locator(roots))
  const writer = new IndexWriter(indexFd)
  const counted = new Set<bigint>()
  let treeEntries = 0
  let treeBytes = 0
  for (const entry of walkTrees({ roots, trees, access })) {
    writer.add(entry)
    treeEntries += 1
    if (isHardLinked(entry)) {
      if (!counted.has(entry.ino)) treeBytes += entry.size
      counted.add(entry.ino)
    } else treeBytes += entry.size
    if (treeEntries > caps.maxEntries || treeBytes > caps.maxBytes)
      throw new Failure('too_large', 'The files of the compute are over its cap; remove some.', {
        ...caps,
      })
  }
  const lengthBytes = writer.end()
  const scan = { startedAtNs, suspects, quiet: access.quiet }
  const missing: ReadonlySet<string> = new Set()
  const counts = { treeEntries, treeBytes }
  const index = { saveId, fd: indexFd, lengthBytes, trees, scan, missing, ...counts }
  return { index, suspects, access }
}
