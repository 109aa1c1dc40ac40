import { basename, dirname, join } from 'node:path/posix'
import type { Trees } from '../files/trees.ts'
import type { WatchMessage } from '../protocol.ts'
import { Flood } from './flood.ts'
import { FolderWatches } from './folder-watches.ts'

const COALESCE_MS = 50
const MOST_PENDING = 50_000
const PER_MESSAGE = 1000
const INCOMPLETE_EVERY_MS = 5000

type Listener = (message: WatchMessage) => void

/**
 * One watched path, for any number of listeners. Events only say where to look: each is answered by
 * a look at the file, so the last message about a path is always its final state.
 */
export class Watcher {
  readonly #path: string
  readonly #folders: FolderWatches
  readonly #flood: Flood
  readonly #listeners = new Set<Listener>()
  /** Folder → names to look at. */
  #pending = new Map<string, Set<string>>()
  #pendingCount = 0
  #timer: NodeJS.Timeout | undefined
  #busy = false
  #overflowed = false
  #reminder: NodeJS.Timeout | undefined
  #closed = false
  readonly ready: Promise<void>

  constructor(trees: Trees, path: string, recursive: boolean) {
    this.#path = path
    this.#flood = new Flood(() => this.#overflow())
    this.#folders = new FolderWatches(trees, recursive, (folder, name) => {
      this.#flood.count()
      this.#note(name === undefined ? folder : join(folder, name))
    })
    this.ready = this.#folders.add(path).then(() => this.#remind())
  }

  /** Returns how to leave. */
  listen(listener: Listener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  get listeners(): number {
    return this.#listeners.size
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
    clearInterval(this.#reminder)
    this.#folders.removeUnder(this.#path)
  }

  #note(path: string): void {
    const folder = dirname(path)
    const names = this.#pending.get(folder) ?? new Set()
    if (!names.has(basename(path))) this.#pendingCount += 1
    this.#pending.set(folder, names.add(basename(path)))
    if (this.#pendingCount > MOST_PENDING) this.#overflow()
    this.#soon()
  }

  #overflow(): void {
    this.#overflowed = true
    this.#pending = new Map()
    this.#pendingCount = 0
    this.#soon()
  }

  #soon(): void {
    if (this.#timer || this.#busy || this.#closed) return
    this.#timer = setTimeout(() => void this.#flush(), COALESCE_MS)
  }

  async #flush(): Promise<void> {
    this.#timer = undefined
    this.#busy = true
    try {
      if (this.#overflowed) await this.#resync()
      else await this.#tell()
    } catch {
      // A tree that changes under the look: say that something was missed rather than nothing.
      this.#send({ type: 'overflow' })
    }
    this.#busy = false
    if (this.#pendingCount > 0 || this.#overflowed) this.#soon()
  }

  /** Watches what is there now, then tells the listeners to list again. */
  async #resync(): Promise<void> {
    this.#overflowed = false
    await this.#folders.add(this.#path)
    this.#remind()
    this.#send({ type: 'overflow' })
  }

  async #tell(): Promise<void> {
    const pending = this.#pending
    this.#pending = new Map()
    this.#pendingCount = 0
    const changes: { path: string; kind: 'changed' | 'removed' }[] = []
    for (const [folder, names] of pending)
      for (const [name, stats] of await this.#folders.look(folder, names)) {
        const path = join(folder, name)
        changes.push({ path, kind: stats ? 'changed' : 'removed' })
        const watchable = stats?.isDirectory() && this.#folders.has(path, stats)
        if (watchable) continue
        if (path !== this.#path || !stats) this.#folders.removeUnder(path)
        if (stats?.isDirectory())
          await this.#folders.add(path, (inner) => changes.push({ path: inner, kind: 'changed' }))
      }
    for (let from = 0; from < changes.length; from += PER_MESSAGE)
      this.#send({ type: 'changes', changes: changes.slice(from, from + PER_MESSAGE) })
    this.#remind()
  }

  /** Folders beyond the limit are not watched; their changes are covered by listing again. */
  #remind(): void {
    if (!this.#folders.incomplete || this.#reminder || this.#closed) return
    this.#reminder = setInterval(() => this.#send({ type: 'overflow' }), INCOMPLETE_EVERY_MS)
    this.#reminder.unref()
  }

  #send(message: WatchMessage): void {
    for (const listener of this.#listeners) listener(message)
  }
}
