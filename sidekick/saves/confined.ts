/**
 * The trees as a restore sees them. Every folder on the way to an entry is looked at and must be a
 * real folder: a link planted by an earlier entry leads nowhere. Sound because nothing else runs
 * in a compute that is being restored, and each step here is synchronous.
 */
import { chmodSync, lstatSync, readdirSync, rmdirSync, type BigIntStats, unlinkSync } from 'node:fs'
import { errno, Failure } from '../errors.ts'
import { displayOf, isInside, locator, parentOf, type TreeRoots } from './tree-path.ts'

const OWNER_ALL = 0o700

export class Confined {
  readonly #locate: (path: string) => Buffer
  /** Last folder found real, and so everything above it. */
  #sound = ''

  readonly #onEnter: (folder: string, before: FolderLook) => void

  /** `onEnter` is told how each folder looked before anything in it was touched. */
  constructor(roots: TreeRoots, onEnter: (folder: string, before: FolderLook) => void) {
    this.#locate = locator(roots)
    this.#onEnter = onEnter
  }

  /** Where `path` is, its folders checked and made writable. Errors: invalid. */
  place(path: string): Buffer {
    if (path.includes('/')) this.#check(parentOf(path))
    return this.#locate(path)
  }

  stat(path: string): BigIntStats | null {
    return statOf(this.place(path))
  }

  /** Makes way for a new entry: whatever has that name goes, with all that is in it. */
  remove(path: string): void {
    if (!path.includes('/'))
      throw new Failure('invalid', `The archive is refused: it would replace ${path} itself.`)
    if (!this.#has(parentOf(path))) return
    const where = this.place(path)
    if (this.#sound === path || isInside(this.#sound, path)) this.#sound = ''
    removeAll(where)
  }

  #has(folder: string): boolean {
    if (folder.includes('/') && !this.#has(parentOf(folder))) return false
    return statOf(this.#locate(folder))?.isDirectory() ?? false
  }

  #check(folder: string): void {
    if (this.#sound === folder || isInside(this.#sound, folder)) return
    if (folder.includes('/')) this.#check(parentOf(folder))
    const where = this.#locate(folder)
    const stat = statOf(where)
    if (!stat?.isDirectory())
      throw new Failure('invalid', `The archive is refused: ${displayOf(folder)} is no folder.`)
    this.#onEnter(folder, { mode: Number(stat.mode) & 0o7777, mtimeNs: stat.mtimeNs })
    if ((Number(stat.mode) & OWNER_ALL) !== OWNER_ALL)
      chmodSync(where, (Number(stat.mode) & 0o7777) | OWNER_ALL)
    this.#sound = folder
  }
}

export interface FolderLook {
  readonly mode: number
  readonly mtimeNs: bigint
}

const statOf = (where: Buffer): BigIntStats | null => {
  try {
    return lstatSync(where, { bigint: true })
  } catch (error) {
    if (errno(error) === 'ENOENT' || errno(error) === 'ENOTDIR') return null
    throw error
  }
}

/** fs.rm takes no names that are not UTF-8, and stops at folders without w or x. */
const removeAll = (where: Buffer): void => {
  const stat = statOf(where)
  if (stat === null) return
  if (!stat.isDirectory()) return unlinkSync(where)
  if ((Number(stat.mode) & OWNER_ALL) !== OWNER_ALL) chmodSync(where, OWNER_ALL)
  for (const name of readdirSync(where, { encoding: 'buffer' }))
    removeAll(Buffer.concat([where, SLASH, name]))
  rmdirSync(where)
}

const SLASH = Buffer.from('/')
