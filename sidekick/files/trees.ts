import { constants, type Stats } from 'node:fs'
import { mkdir, open, readlink, type FileHandle } from 'node:fs/promises'
import { dirname, join } from 'node:path/posix'
import { errno, Failure } from '../errors.ts'

/** Linux's O_PATH: a handle to the thing itself, whatever it is, without opening it. Node has no name for it. */
const O_PATH = 0o10000000
const MOST_LINKS = 40

/** A place in the trees: a folder held open, a name in it, and what is there now. */
export interface Place {
  /** As the user names it. */
  readonly path: string
  /** `/proc/self/fd/<folder>/<name>`; the kernel resolves only the name. A tree's root has none. */
  readonly at: string | undefined
  /** Handle (O_PATH) to what is there; undefined when nothing is. */
  readonly node: FileHandle | undefined
  readonly stats: Stats | undefined
}

export interface WalkOptions {
  /** Whether a symbolic link at the end is followed. */
  readonly last: 'follow' | 'nofollow'
  /** Makes missing folders on the way. */
  readonly parents?: boolean
}

/**
 * The writable trees, and the only way in. Every folder is opened without following links and the
 * walk goes on from that open handle, so a folder swapped for a link meanwhile is never followed;
 * links are resolved here, by the same rule, and may lead only into a tree.
 */
export class Trees {
  readonly #roots: readonly string[]

  /** Longest first, so that a tree within another's path is found. */
  constructor(roots: readonly string[]) {
    this.#roots = [...roots].sort((a, b) => b.length - a.length)
  }

  /** Runs `use` at the place of `path` and closes what was opened. Errors: invalid, ENOENT, ENOTDIR, ELOOP. */
  async at<T>(path: string, options: WalkOptions, use: (place: Place) => Promise<T>): Promise<T> {
    const walk = new Walk(this.#rootOf, path, options)
    try {
      return await use(await walk.go())
    } finally {
      await walk.close()
    }
  }

  readonly #rootOf = (path: string): string => {
    const root = this.#roots.find((candidate) => isWithin(path, candidate))
    if (root) return root
    const places = [...this.#roots].reverse().join(', ')
    throw new Failure('invalid', `The path must lie in ${places}, also after symbolic links.`)
  }
}

/** Reaches an open handle again by a path that no one can swap. */
export const handlePath = (handle: FileHandle): string => `/proc/self/fd/${handle.fd}`

export const isWithin = (path: string, root: string): boolean =>
  path === root || path.startsWith(root === '/' ? '/' : `${root}/`)

class Walk {
  readonly #rootOf: (path: string) => string
  readonly #path: string
  readonly #options: WalkOptions
  /** Open folders from the root to where we are. */
  #stack: FileHandle[] = []
  #root = ''
  #names: string[] = []
  #links = 0
  #node: FileHandle | undefined

  constructor(rootOf: (path: string) => string, path: string, options: WalkOptions) {
    this.#rootOf = rootOf
    this.#path = path
    this.#options = options
  }

  async go(): Promise<Place> {
    await this.#start(this.#path)
    for (;;) {
      const name = this.#names.shift()
      if (name === undefined) return this.#rootPlace()
      if (name === '' || name === '.') continue
      if (name === '..') {
        await this.#up()
        continue
      }
      const place = await this.#step(
        name,
        this.#names.every((left) => left === '' || left === '.'),
      )
      if (place) return place
    }
  }

  async close(): Promise<void> {
    const open = [...this.#stack.splice(0), ...(this.#node ? [this.#node] : [])]
    this.#node = undefined
    await Promise.all(open.map((handle) => handle.close()))
  }

  /** (Re)starts at the root of the tree that holds an absolute path. */
  async #start(absolute: string): Promise<void> {
    this.#root = this.#rootOf(absolute)
    await this.close()
    // The root is a mount of the platform, not the user's to swap: the one path taken on trust.
    this.#stack.push(await open(this.#root, O_PATH | constants.O_DIRECTORY))
    this.#names = absolute.slice(this.#root.length).split('/')
  }

  async #up(): Promise<void> {
    if (this.#stack.length > 1) return this.#stack.pop()!.close()
    await this.#start(join(dirname(this.#root), ...this.#names))
  }

  /** One name further; a place when it was the last. */
  async #step(name: string, isLast: boolean): Promise<Place | undefined> {
    const at = `${handlePath(this.#stack.at(-1)!)}/${name}`
    const node = await this.#open(at, isLast)
    if (!node) return { path: this.#path, at, node: undefined, stats: undefined }
    this.#node = node
    const stats = await node.stat()
    if (stats.isSymbolicLink() && !(isLast && this.#options.last === 'nofollow')) {
      await this.#follow(at, name)
      return undefined
    }
    if (isLast) return { path: this.#path, at, node, stats }
    if (!stats.isDirectory()) throw systemError('ENOTDIR')
    this.#stack.push(node)
    this.#node = undefined
    return undefined
  }

  async #open(at: string, isLast: boolean): Promise<FileHandle | undefined> {
    for (let made = false; ; made = true) {
      try {
        return await open(at, O_PATH | constants.O_NOFOLLOW)
      } catch (error) {
        if (errno(error) !== 'ENOENT') throw error
        if (isLast) return undefined
        if (!this.#options.parents || made) throw error
        await mkdir(at).catch((failed) => {
          if (errno(failed) !== 'EEXIST') throw failed
        })
      }
    }
  }

  async #follow(at: string, name: string): Promise<void> {
    await this.#node?.close()
    this.#node = undefined
    this.#links += 1
    if (this.#links > MOST_LINKS) throw systemError('ELOOP')
    const target = await readlink(at).catch((error) => {
      if (errno(error) === 'EINVAL') return name // no longer a link: look again
      throw error
    })
    const rest = [...this.#names]
    if (target.startsWith('/')) await this.#start(join(target, ...rest))
    else this.#names = [...target.split('/'), ...rest]
  }

  async #rootPlace(): Promise<Place> {
    const node = this.#stack.at(-1)!
    const isRoot = this.#stack.length === 1
    const stats = await node.stat()
    // Reached through `.` or `..` of a link: still a folder inside, named by its own handle.
    return { path: this.#path, at: isRoot ? undefined : `${handlePath(node)}/.`, node, stats }
  }
}

const systemError = (code: string): Error => Object.assign(new Error(code), { code })
