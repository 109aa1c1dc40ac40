/**
 * The trees in one fixed order: every folder before what is in it, names by bytes. Synchronous
 * (runs on a thread of its own); holds the names of the folders it stands in and nothing more.
 */
import { lstatSync, readdirSync } from 'node:fs'
import { errno } from '../errors.ts'
import { LentAccess } from './access.ts'
import { entryOf, type TreeEntry } from './tree-entry.ts'
import { locator, TREE_NAMES, type TreeName, type TreeRoots } from './tree-path.ts'

/** Folders that are declared scratch: never saved. */
export const SCRATCH_FOLDERS: ReadonlySet<string> = new Set([
  'home/.cache',
  'home/.npm/_cacache',
  'env/.cache',
  'env/cache',
  'env/tmp',
  'env/run',
])

export interface WalkOptions {
  readonly roots: TreeRoots
  readonly trees: readonly TreeName[]
  readonly access?: LentAccess
  readonly scratch?: ReadonlySet<string>
}

/** Errors: forbidden (an entry of another user), ENAMETOOLONG (a path over 4096 bytes). */
export function* walkTrees(options: WalkOptions): Generator<TreeEntry, void, undefined> {
  const locate = locator(options.roots)
  const access = options.access ?? new LentAccess(locate)
  const scratch = options.scratch ?? SCRATCH_FOLDERS
  const look = (path: string): TreeEntry | null =>
    orGone(() => {
      const stat = access.runBelow(path, () => lstatSync(locate(path), { bigint: true }))
      return entryOf(path, stat)
    })
  const names = (path: string): string[] =>
    orGone(() => access.run(path, () => readdirSync(locate(path), { encoding: 'latin1' }))) ?? []

  for (const tree of TREE_NAMES) {
    if (!options.trees.includes(tree)) continue
    const root = look(tree)
    if (root?.type !== 'directory') continue
    yield root
    // Reversed, so that the next name is popped in O(1).
    const stack: Level[] = [{ path: tree, names: names(tree).sort().reverse() }]
    for (let level = stack.at(-1); level !== undefined; level = stack.at(-1)) {
      const name = level.names.pop()
      if (name === undefined) {
        stack.pop()
        continue
      }
      const path = `${level.path}/${name}`
      const entry = look(path)
      if (entry === null) continue
      if (entry.type === 'directory') {
        if (scratch.has(path)) continue
        stack.push({ path, names: names(path).sort().reverse() })
      }
      yield entry
    }
  }
}

interface Level {
  readonly path: string
  readonly names: string[]
}

/** A live tree changes under the walk: what went away meanwhile is not there. */
const orGone = <T>(call: () => T): T | null => {
  try {
    return call()
  } catch (error) {
    if (errno(error) === 'ENOENT' || errno(error) === 'ENOTDIR') return null
    throw error
  }
}
