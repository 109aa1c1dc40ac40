import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { Failure } from '../errors.ts'
import type { SaveSummary } from '../protocol.ts'
import type { SavedIndex } from './saved-index.ts'

/** Enough for a live save and the frozen delta on it, twice over. */
const MOST_UNPUBLISHED = 4

/**
 * Which saves this sidekick has taken and which of them the platform has published. The last
 * published one stays a possible base until another is published.
 */
export class SaveLedger {
  readonly #scratch: string
  #published: SavedIndex | null = null
  readonly #unpublished = new Map<string, SavedIndex>()
  readonly #summaries = new Map<string, SaveSummary>()
  /** Descriptor of an index → how many tasks read it. */
  readonly #readers = new Map<number, number>()
  /** To be closed by their last reader. */
  readonly #outdated = new Set<number>()

  constructor(scratch: string) {
    this.#scratch = scratch
  }

  get published(): SavedIndex | null {
    return this.#published
  }

  /** A file without a name: nothing in the compute can remove it, and it goes with the sidekick. */
  openNameless(): number {
    const folder = mkdtempSync(join(this.#scratch, '.dormouse-'))
    try {
      return openSync(join(folder, 'file'), 'wx+', 0o600)
    } finally {
      rmSync(folder, { recursive: true })
    }
  }

  /** The index of that save, when it is still here and covers the same trees. */
  base(saveId: string | null, trees: readonly string[]): SavedIndex | null {
    if (saveId === null) return null
    const index =
      this.#published?.saveId === saveId ? this.#published : this.#unpublished.get(saveId)
    const covers = index && [...index.trees].sort().join() === [...trees].sort().join()
    return covers ? index : null
  }

  /** Whatever is published or forgotten meanwhile, the index can be read until the answer is called. */
  hold({ fd }: SavedIndex): () => void {
    this.#readers.set(fd, (this.#readers.get(fd) ?? 0) + 1)
    return () => {
      const left = (this.#readers.get(fd) ?? 0) - 1
      if (left > 0) this.#readers.set(fd, left)
      else {
        this.#readers.delete(fd)
        if (this.#outdated.delete(fd)) closeSync(fd)
      }
    }
  }

  record(summary: SaveSummary, index: SavedIndex): void {
    this.forget(summary.saveId)
    this.#summaries.set(summary.saveId, summary)
    this.#unpublished.set(summary.saveId, index)
    const [oldest] = this.#unpublished.keys()
    if (this.#unpublished.size > MOST_UNPUBLISHED && oldest !== undefined) this.forget(oldest)
  }

  /** A save that is taken again under its id: what was known of it no longer holds. */
  forget(saveId: string): void {
    const index = this.#unpublished.get(saveId)
    if (index) this.#close(index)
    this.#unpublished.delete(saveId)
    this.#summaries.delete(saveId)
  }

  /** Errors: not_found. */
  summary(saveId: string): SaveSummary {
    const summary = this.#summaries.get(saveId)
    if (!summary) throw new Failure('not_found', 'This sidekick finished no save of that id.')
    return summary
  }

  /** Said twice, it happens once. Errors: not_found. */
  publish(saveId: string): void {
    if (this.#published?.saveId === saveId) return
    const index = this.#unpublished.get(saveId)
    if (!index) throw new Failure('not_found', 'This sidekick finished no save of that id.')
    this.#unpublished.delete(saveId)
    this.rebase(index)
  }

  /** Our own look at locked entries changed their ctime once more; see access.ts. */
  quieten(index: SavedIndex, quiet: ReadonlyMap<bigint, bigint>): void {
    if (this.#published !== index) return
    const all = new Map([...index.scan.quiet, ...quiet])
    this.#published = { ...index, scan: { ...index.scan, quiet: all } }
  }

  /** From here on `index` is what deltas and dirtiness are measured against; null: nothing is. */
  rebase(index: SavedIndex | null): void {
    const summary = index && this.#summaries.get(index.saveId)
    for (const saveId of [...this.#unpublished.keys()]) this.forget(saveId)
    if (this.#published) this.#close(this.#published)
    this.#summaries.clear()
    if (index && summary) this.#summaries.set(index.saveId, summary)
    this.#published = index
  }

  #close({ fd }: SavedIndex): void {
    if (this.#readers.has(fd)) this.#outdated.add(fd)
    else closeSync(fd)
  }
}
