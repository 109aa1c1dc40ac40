import { constants, watch, type FSWatcher, type Stats } from 'node:fs'
import { lstat, open, readdir, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path/posix'
import { errno } from '../errors.ts'
import { UPLOAD_PREFIX } from '../files/entries.ts'
import { handlePath, isWithin, type Trees } from '../files/trees.ts'

const MOST_FOLDERS = 8192

interface Watched {
  readonly watcher: FSWatcher
  /** Tells a folder from one made again under its name; an inode number alone is soon used again. */
  readonly identity: string
}

/** inotify watches on a folder and, when recursive, all below it, opened by the confined walk. */
export class FolderWatches {
  readonly #trees: Trees
  readonly #recursive: boolean
  /** Gets a folder and a name in it; no name: the folder itself changed. */
  readonly #event: (folder: string, name: string | undefined) => void
  readonly #watched = new Map<string, Watched>()
  /** More folders than may be watched: changes in the others are not seen. */
  incomplete = false

  constructor(
    trees: Trees,
    recursive: boolean,
    event: (folder: string, name: string | undefined) => void,
  ) {
    this.#trees = trees
    this.#recursive = recursive
    this.#event = event
  }

  has(folder: string, stats: Stats): boolean {
    return this.#watched.get(folder)?.identity === identityOf(stats)
  }

  /** Watches a folder and what is below it; tells every path found to `seen`. */
  async add(folder: string, seen: (path: string) => void = () => {}): Promise<void> {
    await this.#trees.at(folder, { last: 'follow' }, async ({ node, stats }) => {
      if (node && stats?.isDirectory()) await this.#scan(folder, node, stats, seen)
    })
  }

  removeUnder(folder: string): void {
    for (const [path, { watcher }] of this.#watched)
      if (isWithin(path, folder)) {
        watcher.close()
        this.#watched.delete(path)
      }
  }

  /** What of these names is there now; undefined for the folder's own absence. */
  async look(
    folder: string,
    names: ReadonlySet<string>,
  ): Promise<ReadonlyMap<string, Stats | undefined>> {
    const found = new Map<string, Stats | undefined>([...names].map((name) => [name, undefined]))
    try {
      await this.#trees.at(folder, { last: 'follow' }, async ({ node }) => {
        if (!node) return
        for (const name of names)
          found.set(name, await lstat(`${handlePath(node)}/${name}`).catch(() => undefined))
      })
    } catch {
      // The folder is gone or has become a file or a link out: so are the names in it.
    }
    return found
  }

  #forget(folder: string, watcher: FSWatcher): void {
    watcher.close()
    if (this.#watched.get(folder)?.watcher === watcher) this.#watched.delete(folder)
  }

  async #scan(
    folder: string,
    node: FileHandle,
    stats: Stats,
    seen: (path: string) => void,
  ): Promise<void> {
    // Watch first, list after: what appears between the two is seen twice rather than never.
    this.#watch(folder, node, stats)
    const entries = await readdir(handlePath(node), { withFileTypes: true })
    for (const entry of entries) {
      if (entry.name.startsWith(UPLOAD_PREFIX)) continue
      const path = join(folder, entry.name)
      seen(path)
      if (!this.#recursive || !entry.isDirectory()) continue
      const inner = await openFolder(`${handlePath(node)}/${entry.name}`)
      if (!inner) continue
      try {
        await this.#scan(path, inner, await inner.stat(), seen)
      } finally {
        await inner.close()
      }
    }
  }

  #watch(folder: string, node: FileHandle, stats: Stats): void {
    if (this.has(folder, stats)) return
    this.#watched.get(folder)?.watcher.close()
    if (this.#watched.size >= MOST_FOLDERS) {
      this.incomplete = true
      return
    }
    try {
      // With `/.` libuv reports events of the folder itself under the name ".".
      const watcher = watch(`${handlePath(node)}/.`, { persistent: false }, (type, name) => {
        const itself = name === null || name === '.'
        // Removed or moved away: this watch is blind from now on.
        if (itself && type === 'rename') this.#forget(folder, watcher)
        if (!name?.startsWith(UPLOAD_PREFIX)) this.#event(folder, itself ? undefined : name)
      })
      watcher.on('error', () => this.#forget(folder, watcher))
      this.#watched.set(folder, { watcher, identity: identityOf(stats) })
    } catch (error) {
      if (errno(error) !== 'ENOSPC' && errno(error) !== 'EMFILE') throw error
      this.incomplete = true
    }
  }
}

const identityOf = ({ ino, birthtimeMs }: Stats): string => `${ino}:${birthtimeMs}`

/** Undefined when it is no folder any more. */
const openFolder = async (at: string): Promise<FileHandle | undefined> => {
  const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW
  return open(at, flags).catch(() => undefined)
}
