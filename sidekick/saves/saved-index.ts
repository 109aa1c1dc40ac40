import type { BaseScan } from './delta.ts'
import type { TreeName } from './tree-path.ts'

/** The index of one save: an open, already unlinked file that no path leads to, and what its scan found. */
export interface SavedIndex {
  readonly saveId: string
  readonly fd: number
  readonly lengthBytes: number
  readonly trees: readonly TreeName[]
  readonly scan: BaseScan
  /** Paths that are in the index but not in the save, of a folder with all in it only its own. */
  readonly missing: ReadonlySet<string>
  /** Of the whole trees; a file with several names counts its bytes once. */
  readonly treeEntries: number
  readonly treeBytes: number
}
