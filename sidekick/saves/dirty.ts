import { LentAccess } from './access.ts'
import { changesBetween } from './delta.ts'
import { readIndex } from './index-file.ts'
import { writableMappings } from './mappings.ts'
import type { SavedIndex } from './saved-index.ts'
import { locator, type TreeRoots } from './tree-path.ts'
import { walkTrees } from './walk.ts'

export interface DirtyJob {
  readonly base: SavedIndex
  readonly roots: TreeRoots
  /** A larger tree than can be looked through in this time counts as dirty. */
  readonly withinMs: number
}

export interface DirtyReport {
  readonly dirty: boolean
  /** What looking has left behind on entries that were as in the base; belongs into its scan. */
  readonly quiet: ReadonlyMap<bigint, bigint>
}

/** Whether a delta against `base` would hold anything; stops at the first thing it would. */
export const lookForChanges = ({ base, roots, withinMs }: DirtyJob): DirtyReport => {
  const deadline = performance.now() + withinMs
  const suspects = new Set([...base.scan.suspects, ...writableMappings()])
  const access = new LentAccess(locator(roots))
  const changes = changesBetween(
    readIndex(base.fd, base.lengthBytes),
    walkTrees({ roots, trees: base.trees, access }),
    { ...base.scan, suspects },
  )
  for (const { kind } of changes)
    if (kind !== 'same' || performance.now() > deadline) return { dirty: true, quiet: new Map() }
  return { dirty: false, quiet: access.quiet }
}
