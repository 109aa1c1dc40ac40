import { changesBetween } from './delta.ts'
import { readIndex } from './index-file.ts'
import { writableMappings } from './mappings.ts'
import type { SavedIndex } from './saved-index.ts'
import type { TreeRoots } from './tree-path.ts'
import { walkTrees } from './walk.ts'

export interface DirtyJob {
  readonly base: SavedIndex
  readonly roots: TreeRoots
  /** A larger tree than can be looked through in this time counts as dirty. */
  readonly withinMs: number
}

/** Whether a delta against `base` would hold anything; stops at the first thing it would. */
export const isDirty = ({ base, roots, withinMs }: DirtyJob): boolean => {
  const deadline = performance.now() + withinMs
  const suspects = new Set([...base.scan.suspects, ...writableMappings()])
  const changes = changesBetween(
    readIndex(base.fd, base.lengthBytes),
    walkTrees({ roots, trees: base.trees }),
    { ...base.scan, suspects },
  )
  for (const { kind } of changes) if (kind !== 'same' || performance.now() > deadline) return true
  return false
}
