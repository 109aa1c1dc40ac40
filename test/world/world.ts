/**
 * Rows, runtime and store of the workflow tests, in memory and honest: generations and epochs fence
 * as in production, a killed sandbox keeps or loses its tree, and what must never happen is counted.
 */
import type { ApplicationFailure } from '@temporalio/common'
import type {
  ControlActivities,
  DataActivities,
  Recollection,
  Target,
} from '../../activities/contract.ts'
import type {
  Cause,
  ComputeProblem,
  ComputeState,
  PowerSchedule,
} from '../../workflows/compute/contract.ts'
import { failure, Mishaps, type Activity } from './mishaps.ts'

interface Row {
  state: ComputeState
  generation: number
  cause: Cause
  since: string
  problem: ComputeProblem | undefined
  deleteRequested: { purge: boolean } | undefined
  schedule: PowerSchedule | null
  /** Once it was moved. */
  lifetimeEndsAt: string | null | undefined
}

interface Sandbox {
  live: boolean
  open: boolean
  frozen: boolean
  /** Files whose loss would be noticed. */
  tree: string[]
  dirty: boolean
  activeAtMs: number
}

interface Filesystem {
  epoch: number
  writer: number
  head: string | null
  readonly snapshots: Map<string, readonly string[]>
  /** Tree on disk that outlived its sandbox and is newer than any snapshot. */
  keptTree: string[] | undefined
}

export interface WorldEvent {
  readonly type: string
  readonly generation: number
  readonly cause: Cause | undefined
  readonly detail: Record<string, unknown>
}

export class World extends Mishaps {
  readonly rows = new Map<string, Row>()
  readonly sandboxes = new Map<string, Sandbox>()
  readonly filesystems = new Map<string, Filesystem>()
  readonly events = new Map<string, WorldEvent[]>()
  /** Promises of the product that were broken; must stay empty. */
  readonly violations: string[] = []
  /** The local runtime keeps a dead sandbox's tree on disk; a lost node does not. */
  keepsTrees = true
  /** Computes with something that no freeze can stop. */
  readonly neverFreeze = new Set<string>()
  sweeps = 0
  readonly converged: { computeId: string; scheduledAt: string }[] = []
  private snapshots = 0

  insert(computeId: string): void {
    this.rows.set(computeId, {
      state: 'requested',
      generation: 0,
      cause: { reason: 'created', actor: 'user:test' },
      since: new Date().toISOString(),
      problem: undefined,
      deleteRequested: undefined,
      schedule: null,
      lifetimeEndsAt: undefined,
    })
    this.filesystems.set(computeId, {
      epoch: 0,
      writer: 0,
      head: null,
      snapshots: new Map(),
      keptTree: undefined,
    })
    this.events.set(computeId, [])
  }

  /** A user writes a file and is active. Ignored unless users may come in. */
  write(computeId: string, file: string): boolean {
    const box = this.current(computeId)
    if (!box?.live || !box.open || box.frozen) return false
    box.tree.push(file)
    box.dirty = true
    box.activeAtMs = Date.now()
    return true
  }

  touch(computeId: string): void {
    const box = this.current(computeId)
    if (box) box.activeAtMs = Date.now()
  }

  files(computeId: string): readonly string[] {
    return this.current(computeId)?.tree ?? []
  }

  snapshotFiles(computeId: string): readonly string[] {
    const { head, snapshots } = this.filesystem(computeId)
    return head === null ? [] : (snapshots.get(head) ?? [])
  }

  /** What its user would find: in the sandbox, or in what the next one starts from. */
  durable(computeId: string): readonly string[] {
    const box = this.current(computeId)
    if (box?.live === true && box.open) return box.tree
    return this.filesystem(computeId).keptTree ?? this.snapshotFiles(computeId)
  }

  /** Something other than the platform kills the sandbox. */
  kill(computeId: string): void {
    const box = this.current(computeId)
    if (box) box.live = false
  }

  row(computeId: string): Row {
    const row = this.rows.get(computeId)
    if (row === undefined) throw failure('NotFound', `compute ${computeId} does not exist`)
    return row
  }

  eventTypes(computeId: string): readonly string[] {
    return (this.events.get(computeId) ?? []).map((event) => event.type)
  }

  event(computeId: string, type: string): WorldEvent | undefined {
    return this.events.get(computeId)?.findLast((event) => event.type === type)
  }

  live(computeId: string): number {
    return [...this.sandboxes].filter(([key, box]) => key.startsWith(`${computeId}:`) && box.live)
      .length
  }

  control(): ControlActivities {
    return {
      provision: this.step('provision', (input) => {
        const row = this.take(input)
        row.lifetimeEndsAt = undefined
        this.transition(input, input.as, input.cause)
        this.planted('provision', input.computeId)
        const fs = this.filesystem(input.computeId)
        if (fs.writer !== input.generation) {
          fs.writer = input.generation
          fs.epoch += 1
        }
        const key = keyOf(input)
        for (const [other, box] of this.sandboxes)
          if (other.startsWith(`${input.computeId}:`) && other !== key && box.live && box.open)
            this.violations.push(`two generations live: ${other} and ${key}`)
        const kept = fs.keptTree
        const box = this.sandboxes.get(key) ?? {
          live: true,
          open: false,
          frozen: false,
          tree: [...(kept ?? [])],
          dirty: kept !== undefined,
          activeAtMs: Date.now(),
        }
        this.sandboxes.set(key, box)
        if (!box.live) throw failure('SandboxGone', 'it died while starting')
        const restoring = kept === undefined && fs.head !== null
        if (!restoring) {
          box.open = true
          fs.keptTree = undefined
        }
        const state = restoring ? 'restoring' : 'running'
        this.transition(input, state, row.cause)
        return {
          state,
          filesystemId: `fs-${input.computeId}`,
          epoch: fs.epoch,
          snapshotId: restoring ? fs.head : null,
          keptTree: kept !== undefined,
        }
      }),
      stop: this.step('stop', (input) => this.stop(input)),
      record: this.step('record', (input) => {
        this.fence(input)
        this.transition(input, input.to, input.cause, input.problem, input.detail)
        const purge = this.row(input.computeId).deleteRequested?.purge
        return { disposable: input.to === 'terminating' && purge === true }
      }),
      note: this.step('note', (input) => {
        const { lifetimeEndsAt } = input.detail
        if (input.type === 'extended' && lifetimeEndsAt !== undefined)
          this.row(input.computeId).lifetimeEndsAt = lifetimeEndsAt as string | null
        this.append(input, input.type, input.cause, input.detail)
      }),
      probe: this.step('probe', (input) => {
        const box = this.reach(input)
        return {
          idleForMs: Date.now() - box.activeAtMs,
          reason: Date.now() - box.activeAtMs < 100 ? 'terminal:main' : null,
          dirty: box.dirty,
        }
      }),
      announce: this.step('announce', (input) => {
        this.append(input, 'announced', undefined, { reason: input.reason, inMs: input.inMs })
      }),
      recall: this.step('recall', ({ computeId }): Recollection => {
        const row = this.row(computeId)
        return {
          state: row.state,
          generation: row.generation,
          sandbox: this.current(computeId)?.live === true ? 'live' : 'gone',
          since: row.since,
          cause: row.cause,
          ...(row.problem === undefined ? {} : { problem: row.problem }),
          ...(row.lifetimeEndsAt === undefined ? {} : { lifetimeEndsAt: row.lifetimeEndsAt }),
          ...(row.deleteRequested === undefined ? {} : { deleteRequested: row.deleteRequested }),
        }
      }),
      release: this.step('release', (input) => {
        this.fence(input)
        this.sandboxes.delete(keyOf(input))
        this.transition(input, 'terminated', input.cause, undefined, {
          purge: input.purge,
          unsaved: input.unsaved,
        })
      }),
      applySchedule: this.step('applySchedule', (input) => {
        this.row(input.computeId).schedule = input.schedule
      }),
      sweep: () => {
        this.sweeps += 1
        return Promise.resolve({ adopted: 0 })
      },
      convergeToSchedule: (input) => {
        this.converged.push(input)
        return Promise.resolve()
      },
    }
  }

  data(): DataActivities {
    return {
      save: this.step('save', async (input) => {
        const box = this.reach(input)
        const fs = this.filesystem(input.computeId)
        const idleForMs = Date.now() - box.activeAtMs
        if (input.onlyIfIdleForMs !== undefined && idleForMs < input.onlyIfIdleForMs)
          return { kind: 'called_off', activity: 'terminal:main' }
        if (input.mode !== 'checkpoint' && this.neverFreeze.has(input.computeId))
          throw failure('SaveFailed', 'it cannot be frozen')
        if (input.mode !== 'checkpoint') box.frozen = true
        const files = [...box.tree]
        // What is written while the bytes travel is not in this save: it is dirty again.
        const changed = box.dirty
        box.dirty = false
        await new Promise((resolve) => setTimeout(resolve, 5))
        if (!box.live) throw failure('SandboxGone', 'it died during the save')
        this.snapshots += 1
        const snapshotId = `snapshot-${this.snapshots}`
        if (fs.writer !== input.generation) {
          box.dirty = true
          return { kind: 'forked', filesystemId: `fork-${input.computeId}`, snapshotId }
        }
        if (!changed && fs.head !== null) return { kind: 'clean', snapshotId: fs.head }
        const lost = this.snapshotFiles(input.computeId).filter((file) => !files.includes(file))
        if (lost.length > 0) this.violations.push(`snapshot without ${lost.join(', ')}`)
        fs.snapshots.set(snapshotId, files)
        fs.head = snapshotId
        const stopped = input.mode === 'hibernate' && this.snapshots % 3 !== 0
        if (stopped) this.stop({ ...input, to: 'hibernated', keepTree: false, detail: {} })
        return {
          kind: 'published',
          snapshotId,
          entries: files.length,
          sizeBytes: files.length,
          uploadedBytes: files.length,
          stopped,
        }
      }),
      restore: this.step('restore', (input) => {
        this.fence(input)
        const box = this.reach(input)
        const { snapshots } = this.filesystem(input.computeId)
        const files = input.snapshotId === null ? [] : snapshots.get(input.snapshotId)
        if (files === undefined) throw failure('SnapshotCorrupt', 'its parts do not match')
        if (!box.open) box.tree = [...files]
        box.open = true
        box.activeAtMs = Date.now()
        this.transition(input, 'running', input.cause)
        return { entries: files.length, sizeBytes: files.length }
      }),
      commitImage: this.step('commitImage', (input) => {
        this.reach(input)
        return { digest: `sha256:${input.imageId}` }
      }),
    }
  }

  private stop(input: Parameters<ControlActivities['stop']>[0]): void {
    const box = this.sandboxes.get(keyOf(input))
    if (input.to !== null) this.fence(input)
    if (box !== undefined) {
      const unsaved = box.open && !isIn(box.tree, this.snapshotFiles(input.computeId))
      const deleting = this.row(input.computeId).state === 'terminating'
      if (unsaved && !input.keepTree && !deleting && this.currentKey(input) === keyOf(input))
        this.violations.push(`stopped ${keyOf(input)} with unsaved files`)
      if (unsaved && input.keepTree && box.live)
        this.violations.push(`stopped the live and open ${keyOf(input)} without saving`)
      if (input.keepTree && this.keepsTrees && box.open)
        this.filesystem(input.computeId).keptTree = [...box.tree]
      this.sandboxes.delete(keyOf(input))
    }
    if (input.to !== null)
      this.transition(input, input.to, input.cause, input.problem, input.detail)
  }

  private step<I extends { computeId: string }, O>(
    activity: Activity,
    effect: (input: I) => O | Promise<O>,
  ): (input: I) => Promise<O> {
    return async (input) => {
      await this.begun(activity, input.computeId)
      // A start takes its generation before anything can go wrong with it.
      if (activity !== 'provision') this.planted(activity, input.computeId)
      else this.planted(activity, input.computeId, true)
      return effect(input)
    }
  }

  /** Compare-and-set of the generation. */
  private take(input: Target): Row {
    const row = this.row(input.computeId)
    if (row.generation > input.generation || row.state === 'terminated') throw this.stale(input)
    row.generation = input.generation
    return row
  }

  private fence(input: Target): void {
    if (this.row(input.computeId).generation !== input.generation) throw this.stale(input)
  }

  private stale(input: Target): ApplicationFailure {
    return failure('StaleGeneration', `not generation ${input.generation}`)
  }

  private reach(input: Target): Sandbox {
    const box = this.sandboxes.get(keyOf(input))
    if (this.row(input.computeId).generation > input.generation) throw this.stale(input)
    if (!box?.live) throw failure('SandboxGone', `${keyOf(input)} is gone`)
    return box
  }

  private transition(
    input: Target,
    to: ComputeState,
    cause: Cause,
    problem?: ComputeProblem,
    detail: Record<string, unknown> = {},
  ): void {
    const row = this.row(input.computeId)
    if (row.state === 'terminated') return
    const box = this.sandboxes.get(keyOf(input))
    if (box && to === 'running') box.frozen = false
    row.state = to
    row.cause = cause
    row.since = new Date().toISOString()
    row.problem = problem
    this.append(input, `compute.${to}`, cause, { ...detail, ...(problem ? { problem } : {}) })
  }

  private append(
    input: Target,
    type: string,
    cause: Cause | undefined,
    detail: Record<string, unknown>,
  ): void {
    this.events.get(input.computeId)?.push({ type, generation: input.generation, cause, detail })
  }

  private current(computeId: string): Sandbox | undefined {
    return this.sandboxes.get(`${computeId}:${this.rows.get(computeId)?.generation ?? 0}`)
  }

  private currentKey(input: Target): string {
    return `${input.computeId}:${this.row(input.computeId).generation}`
  }

  private filesystem(computeId: string): Filesystem {
    const fs = this.filesystems.get(computeId)
    if (fs === undefined) throw new Error(`no filesystem of ${computeId}`)
    return fs
  }
}

const keyOf = (input: Target): string => `${input.computeId}:${input.generation}`

const isIn = (files: readonly string[], saved: readonly string[]): boolean =>
  files.every((file) => saved.includes(file))
