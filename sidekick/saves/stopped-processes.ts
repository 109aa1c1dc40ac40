import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { errno, Failure } from '../errors.ts'
import { parseStat, type ProcessInfo } from '../processes.ts'

interface ProcessList {
  list(): readonly ProcessInfo[]
}

const FIRST_WAIT_MS = 1
const LONGEST_WAIT_MS = 20
/** So long a process may take to reach its stop before its children are looked at. */
const STUCK_AFTER_MS = 50
const STILL = new Set(['T', 't', 'Z', 'X', 'x'])

/** Processes stopped by us; those their user had stopped before stay as they were. */
export class StoppedProcesses {
  readonly #processes: ProcessList
  /** pid → start time, in the order they were stopped. */
  readonly #ours = new Map<number, number>()

  constructor(processes: ProcessList) {
    this.#processes = processes
  }

  /**
   * Stops everything until a second pass finds nothing running. Returns how many are stopped.
   * Errors: internal, naming the process that did not stop by `deadline`; ends when not `wanted`.
   */
  async stopAll(deadline: number, wanted: () => boolean): Promise<number> {
    const startedAt = performance.now()
    let quietPasses = 0
    for (let wait = FIRST_WAIT_MS; wanted(); wait = Math.min(wait * 2, LONGEST_WAIT_MS)) {
      const all = this.#processes.list()
      const running = all.filter(isRunning)
      if (running.length === 0) {
        if (++quietPasses === 2) return this.#ours.size
      } else {
        quietPasses = 0
        this.#stop(running)
        if (performance.now() > deadline) throw heldUpBy(running)
        if (performance.now() - startedAt > STUCK_AFTER_MS) freeVforkParents(all, running)
      }
      await sleep(wait)
    }
    throw new Failure('internal', 'The freeze was called off while processes were stopped.')
  }

  /** Children before parents: a shell that runs first would report its jobs as stopped. */
  continueAll(): void {
    for (const [pid, startedAt] of [...this.#ours].reverse()) {
      const info = statOf(`/proc/${pid}/stat`)
      if (info?.startedAtTicks === startedAt) signal(info, 'SIGCONT')
    }
    this.#ours.clear()
  }

  #stop(running: readonly ProcessInfo[]): void {
    // Parents before children, for the same reason; a parent is the older one.
    const oldestFirst = running.toSorted(
      (a, b) => a.startedAtTicks - b.startedAtTicks || a.pid - b.pid,
    )
    for (const info of oldestFirst) {
      if (!signal(info, 'SIGSTOP')) continue
      if (this.#ours.get(info.pid) !== info.startedAtTicks) this.#ours.delete(info.pid)
      this.#ours.set(info.pid, info.startedAtTicks)
    }
  }
}

/** Stopped means every thread: one in the middle of a write finishes it before it stops. */
const isRunning = (info: ProcessInfo): boolean => {
  if (info.state === 'Z' || info.state === 'X') return false
  if (!STILL.has(info.state)) return true
  return threadsOf(info.pid).some(({ state }) => !STILL.has(state))
}

/** After vfork the parent waits, unstoppable, for its child to exec: the child has to run for that. */
const freeVforkParents = (all: readonly ProcessInfo[], running: readonly ProcessInfo[]): void => {
  const waiting = new Set(running.filter(({ state }) => state === 'D').map(({ pid }) => pid))
  for (const info of all) if (waiting.has(info.ppid) && info.state === 'T') signal(info, 'SIGCONT')
}

/** False when it is gone. Errors: internal, for a process of another user. */
const signal = ({ pid, name }: ProcessInfo, which: 'SIGSTOP' | 'SIGCONT'): boolean => {
  try {
    process.kill(pid, which)
    return true
  } catch (error) {
    if (errno(error) === 'ESRCH') return false
    if (which === 'SIGCONT') return false
    throw new Failure('internal', `Process ${pid} (${name}) cannot be stopped.`, {
      blocker: `${pid} ${name}`,
    })
  }
}

const heldUpBy = (running: readonly ProcessInfo[]): Failure => {
  const blocker = running.map(({ pid, name, state }) => `${pid} ${name} (${state})`).join(', ')
  return new Failure('internal', `The freeze was held up by process ${blocker}.`, { blocker })
}

const threadsOf = (pid: number): readonly ProcessInfo[] => {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap(
      (thread) => statOf(`/proc/${pid}/task/${thread}/stat`) ?? [],
    )
  } catch {
    return []
  }
}

const statOf = (path: string): ProcessInfo | undefined => {
  try {
    return parseStat(readFileSync(path, 'latin1'))
  } catch {
    return undefined
  }
}
