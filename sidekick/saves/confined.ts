/**
 * The trees as a restore sees them. Every folder on the way to an entry is looked at and must be a
 * real folder: a link planted by an earlier entry leads nowhere. Sound because nothing else runs
 * in a compute that is being restored, and each step here is synchronous.
 */
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  rmdirSync,
  type BigIntStats,
  unlinkSync,
} from 'node:fs'
import { errno, Failure } from '../errors.ts'
import { displayOf, isInside, locator, parentOf, type TreeRoots } from './tree-path.ts'

const OWNER_ALL = 0o700

export class Confined {
  readonly #locate: (path: string) => Buffer
  /** Last folder found real, and so everything above it. */
  #sound = ''

  readonly #onEnter: (folder: string, before: FolderLook) => void
  readonly #onMake: () => void

  /**
   * `onEnter` is told how each folder looked before anything in it was touched; `onMake`, which may
   * refuse, of each folder that is about to be made.
   */
  constructor(
    roots: TreeRoots,
    onEnter: (folder: string, before: FolderLook) => void,
    onMake: () => void,
  ) {
    this.#locate = locator(roots)
    this.#onEnter = onEnter
    this.#onMake = onMake
  }

  /**
   * Makes the folders on the way to `path` that no entry brought: a folder that was away for a
   * moment while it was saved. Errors: invalid, and what `onMake` throws.
   */
  makeWay(path: string): void {
    if (path.includes('/')) this.#check(parentOf(path), true)
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

  #check(folder: string, isMade = false): void {
    if (this.#sound === folder || isInside(this.#sound, folder)) return
    if (folder.includes('/')) this.#check(parentOf(folder), isMade)
    const where = this.#locate(folder)
    const stat = statOf(where) ?? (isMade ? this.#make(folder, where) : null)
    if (!stat?.isDirectory())
      throw new Failure('invalid', `The archive is refused: ${displayOf(folder)} is no folder.`)
    this.#onEnter(folder, { mode: Number(stat.mode) & 0o7777, mtimeNs: stat.mtimeNs })
    if ((Number(stat.mode) & OWNER_ALL) !== OWNER_ALL)
      chmodSync(where, (Number(stat.mode) & 0o7777) | OWNER_ALL)
    this.#sound = folder
  }

  /** In a folder that was found real, and only where nothing has the name: no link is followed. */
  #make(folder: string, where: Buffer): BigIntStats | null {
    if (!folder.includes('/')) return null
    this.#onMake()
    mkdirSync(where, { mode: OWNER_ALL })
    return statOf(where)
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
