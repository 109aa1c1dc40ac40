import { closeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { RestoreState, SidekickContext } from '../context.ts'
import { Failure } from '../errors.ts'
import type { ArchiveRequest, SaveSummary } from '../protocol.ts'
import { inBatches } from './batches.ts'
import type { Freezer } from './freezer.ts'
import { SaveLedger } from './ledger.ts'
import { SaveThread, type Running } from './save-thread.ts'
import type { Caps } from './scan.ts'
import { TREE_NAMES } from './tree-path.ts'

/** More than CLOCK_MARGIN_NS: files a restore has just written are no changes of the user's. */
const SETTLE_MS = 60
const DIRTY_WITHIN_MS = 2_000
/** So long one answer serves all who ask. */
const DIRTY_FRESH_MS = 1_000

export interface OutgoingArchive {
  readonly kind: 'full' | 'delta'
  readonly stream: AsyncIterable<Buffer>
}

export interface RestoredTree {
  readonly entries: number
  readonly sizeBytes: number
}

/** Takes saves and puts them back, one at a time; knows what deltas are measured against. */
export class Saves {
  readonly #context: SidekickContext
  readonly #freezer: Freezer
  readonly #ledger: SaveLedger
  readonly #thread = new SaveThread()
  #underWay: UnderWay | null = null
  #archives = 0
  /** Null: no part was ever fed. */
  #parts: { readonly next: number; readonly count: number } | null = null
  #whole: { readonly saveId: string | null; readonly tree: RestoredTree } | null = null
  #restoredAtMs = 0
  #dirty: { readonly answer: Promise<boolean>; readonly atMs: number } | null = null

  constructor(context: SidekickContext, freezer: Freezer) {
    this.#context = context
    this.#freezer = freezer
    this.#ledger = new SaveLedger(context.scratch)
    // An answer from before a freeze says nothing about what was written until then.
    context.life.onChange(() => (this.#dirty = null))
  }

  /**
   * Resolves before the first byte; once the stream has ended the summary is there. A newer request
   * ends an older one: whoever sent that has gone away. Errors: too_large, forbidden.
   */
  async archive({ saveId, baseSaveId, trees }: ArchiveRequest): Promise<OutgoingArchive> {
    await this.#makeWay()
    const ordinal = ++this.#archives
    this.#ledger.forget(saveId)
    const base = this.#ledger.base(baseSaveId, trees)
    const indexFd = this.#ledger.openNameless()
    const removedFd = this.#ledger.openNameless()
    const { trees: roots } = this.#context
    const job = { saveId, base, roots, trees, caps: this.#caps(), indexFd, removedFd }
    const running = this.#run(saveId, { kind: 'archive', job })
    // A stream that began frozen must not go on into a tree that is written again.
    const stopWatching = this.#freezer.isFrozen
      ? this.#freezer.onThaw(() => running.abort(new Failure('wrong_state', 'The freeze ended.')))
      : null
    // A late word about an older save must not close what this one is read against.
    const release = base && this.#ledger.hold(base)
    const finished = running.result.then(
      (report) => {
        const kind = base ? 'delta' : 'full'
        const { entries, bytes, sha256, index } = report
        const { treeEntries, treeBytes } = index
        const whole = { treeEntries, treeBytes }
        this.#ledger.record({ saveId, kind, bytes, sha256, ordinal, entries, ...whole }, index)
      },
      () => closeSync(indexFd),
    )
    void finished.finally(() => {
      stopWatching?.()
      release?.()
      closeSync(removedFd)
    })
    const kind = await running.begun
    const stream = async function* (): AsyncGenerator<Buffer, void, undefined> {
      let ended = false
      try {
        yield* running.output
        await running.result
        await finished
        ended = true
      } finally {
        if (!ended) running.abort(new Error('the receiver of the archive went away'))
      }
    }
    return { kind, stream: stream() }
  }

  /** Errors: wrong_state while it is streaming, not_found. */
  summary(saveId: string): SaveSummary {
    if (this.#underWay?.saveId === saveId)
      throw new Failure('wrong_state', 'This save is still under way.')
    return this.#ledger.summary(saveId)
  }

  published(saveId: string): void {
    this.#ledger.publish(saveId)
    this.#dirty = null
  }

  /** Errors: wrong_state (part out of order), invalid, too_large, no_space. */
  async restore(index: number, count: number, body: AsyncIterable<Buffer>): Promise<number> {
    if (index >= count) throw new Failure('invalid', '`index` must be below `count`.')
    // An attempt that was given up and is late must not empty what another has made whole.
    if (this.#whole) throw new Failure('wrong_state', 'The trees are whole already; open them.')
    const next = this.#parts?.next ?? 0
    if (index !== 0 && index !== next)
      throw new Failure('wrong_state', `Part ${next} comes next, or part 0 again.`)
    // From here, before anything is waited for, nobody opens the trees.
    this.#parts = { next: 0, count }
    await this.#makeWay()
    this.#ledger.rebase(null)
    const job = { roots: this.#context.trees, index, caps: this.#caps() }
    const running = this.#run(null, { kind: 'restore', job })
    const feeding = feed(running, body)
    // Fed to its end in any case: only then is the body free to be drained by whoever answers.
    const entries = await running.result.finally(() => feeding)
    this.#parts = { next: index + 1, count }
    this.#restoredAtMs = performance.now()
    return entries
  }

  get restoring(): RestoreState {
    if (this.#whole) return 'whole'
    return this.#parts ? 'unfinished' : 'none'
  }

  /**
   * The trees now are what `saveId` holds; null: they are new. Asked again, the same answer. Errors:
   * wrong_state while parts are missing.
   */
  async restored(saveId: string | null): Promise<RestoredTree> {
    if (this.#whole?.saveId === saveId) return this.#whole.tree
    const parts = this.#parts
    if (this.#whole || (parts && parts.next !== parts.count))
      throw new Failure('wrong_state', 'The trees are not what that save holds; feed its parts.')
    await this.#makeWay()
    await sleep(Math.max(0, this.#restoredAtMs + SETTLE_MS - performance.now()))
    const indexFd = this.#ledger.openNameless()
    const job = {
      saveId: saveId ?? '',
      roots: this.#context.trees,
      trees: TREE_NAMES,
      caps: this.#caps(),
      indexFd,
    }
    try {
      const index = await this.#run(null, { kind: 'scan', job }).result
      this.#ledger.rebase(saveId === null ? null : index)
      if (saveId === null) closeSync(indexFd)
      this.#whole = { saveId, tree: { entries: index.treeEntries, sizeBytes: index.treeBytes } }
      return this.#whole.tree
    } catch (error) {
      closeSync(indexFd)
      throw error
    }
  }

  /**
   * Whether the trees differ from what was last published; true when that cannot be told. `isFresh`:
   * as of now, where otherwise an answer of the last second will do.
   */
  async dirty(isFresh = false): Promise<boolean> {
    const sinceMs = performance.now() - (isFresh ? 0 : DIRTY_FRESH_MS)
    // A look that is under way may have passed by what was written since.
    if (isFresh && this.#underWay?.kind === 'dirty') await this.#underWay.over
    const base = this.#ledger.published
    if (!base || (this.#underWay && this.#underWay.kind !== 'dirty')) return true
    const known = this.#dirty
    if (known && known.atMs >= sinceMs) return known.answer
    if (this.#underWay) return true
    const release = this.#ledger.hold(base)
    const job = { base, roots: this.#context.trees, withinMs: DIRTY_WITHIN_MS }
    const answer = this.#run(null, { kind: 'dirty', job }).result.then(
      ({ dirty, quiet }) => {
        this.#ledger.quieten(base, quiet)
        return dirty
      },
      () => true,
    )
    void answer.finally(release)
    this.#dirty = { answer, atMs: performance.now() }
    return answer
  }

  #caps(): Caps {
    const { claim } = this.#context.life
    if (!claim) throw new Failure('not_claimed', 'Claim this sidekick first.')
    return claim.caps
  }

  #run<K extends 'archive' | 'restore' | 'scan' | 'dirty'>(
    saveId: string | null,
    task: Parameters<SaveThread['run']>[0] & { kind: K },
  ): Running<K> {
    const running = this.#thread.run<K>(task)
    const clear = (): void => {
      if (this.#underWay === underWay) this.#underWay = null
    }
    const over = running.result.then(clear, clear)
    const { kind } = task
    const underWay: UnderWay = { kind, saveId, abort: (reason) => running.abort(reason), over }
    this.#underWay = underWay
    return running
  }

  async #makeWay(): Promise<void> {
    while (this.#underWay) {
      this.#underWay.abort(new Failure('wrong_state', 'A newer save or restore took its place.'))
      await this.#underWay.over
    }
  }
}

interface UnderWay {
  readonly kind: 'archive' | 'restore' | 'scan' | 'dirty'
  readonly saveId: string | null
  abort(reason: Error): void
  /** Resolves when it has ended, however. */
  readonly over: Promise<void>
}

/** A sender that breaks off must end the task, or it would wait for ever. */
/** A socket gives 16 KiB at most. */
const FED_BYTES = 256 * 1024

const feed = async (running: Running<'restore'>, body: AsyncIterable<Buffer>): Promise<void> => {
  try {
    for await (const batch of inBatches(body, FED_BYTES))
      await Promise.race([running.send(batch), running.result])
    running.end()
  } catch (error) {
    running.abort(error instanceof Failure ? error : new Failure('invalid', 'The part broke off.'))
  }
}
