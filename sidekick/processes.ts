import { readdirSync, readFileSync } from 'node:fs'

export interface ProcessInfo {
  readonly pid: number
  readonly ppid: number
  readonly session: number
  /** /proc's letter: R, S, D, T (stopped), Z, … */
  readonly state: string
  readonly name: string
  /** Own and reaped children's user and system time. */
  readonly cpuMs: number
  /** Since boot; with the pid it names one process for ever. */
  readonly startedAtTicks: number
  readonly rssBytes: number
}

const TICK_MS = 10
const PAGE_BYTES = 4096

/**
 * The user's processes in this compute, never the sidekick, its ancestors or pid 1. With its own
 * pid namespace that is all of /proc; without (plain processes) only what the sidekick started:
 * stopping or counting anything else would touch the machine's own processes.
 */
export class Processes {
  readonly #ownNamespace: boolean
  readonly #known = new Map<number, number>()
  /** Sessions the sidekick began; a number is not used again while a process is in its session. */
  readonly #sessions = new Set<number>()

  constructor(ownNamespace: boolean) {
    this.#ownNamespace = ownNamespace
  }

  /** A terminal's or command's first process, which leads a session of its own. */
  began(sessionId: number): void {
    if (!this.#ownNamespace) this.#sessions.add(sessionId)
  }

  list(): readonly ProcessInfo[] {
    const all = readAll()
    const spared = ancestors(all, process.pid)
    if (this.#ownNamespace) return all.filter(({ pid }) => pid !== 1 && !spared.has(pid))
    return this.#descendants(all).filter(({ pid }) => !spared.has(pid))
  }

  /** An orphan keeps its session; one that left it stays known if it was seen before. */
  #descendants(all: readonly ProcessInfo[]): readonly ProcessInfo[] {
    const byPid = new Map(all.map((info) => [info.pid, info]))
    for (const [pid, startedAt] of this.#known)
      if (byPid.get(pid)?.startedAtTicks !== startedAt) this.#known.delete(pid)
    const alive = new Set(all.map(({ session }) => session))
    for (const session of this.#sessions) if (!alive.has(session)) this.#sessions.delete(session)
    const ours = new Set([process.pid, ...this.#known.keys()])
    for (let grew = true; grew;) {
      grew = false
      for (const { pid, ppid, session, startedAtTicks } of all)
        if (!ours.has(pid) && (ours.has(ppid) || this.#sessions.has(session))) {
          ours.add(pid)
          this.#known.set(pid, startedAtTicks)
          grew = true
        }
    }
    return all.filter(({ pid }) => this.#known.has(pid))
  }
}

/** Whether the sidekick is a container's first process, or bubblewrap's child: no machine looks like that. */
export const isOwnPidNamespace = (): boolean => {
  if (process.pid === 1) return true
  try {
    return process.ppid === 1 && readFileSync('/proc/1/comm', 'utf8').trim() === 'bwrap'
  } catch {
    return false
  }
}

/** One line of /proc/<pid>/stat; undefined when it makes no sense. */
export const parseStat = (text: string): ProcessInfo | undefined => {
  // The name stands in parentheses and may hold any byte, parentheses too: count from the last one.
  const open = text.indexOf('(')
  const close = text.lastIndexOf(')')
  const pid = Number(text.slice(0, open))
  const fields = text.slice(close + 2).split(' ')
  const at = (index: number) => Number(fields[index - 3])
  if (open < 0 || close < open || !Number.isInteger(pid) || fields.length < 22) return undefined
  return {
    pid,
    ppid: at(4),
    session: at(6),
    state: fields[0] ?? '?',
    name: text.slice(open + 1, close),
    cpuMs: (at(14) + at(15) + at(16) + at(17)) * TICK_MS,
    startedAtTicks: at(22),
    rssBytes: at(24) * PAGE_BYTES,
  }
}

const readAll = (): readonly ProcessInfo[] =>
  readdirSync('/proc').flatMap((entry) => {
    if (!/^\d+$/.test(entry)) return []
    try {
      return parseStat(readFileSync(`/proc/${entry}/stat`, 'latin1')) ?? []
    } catch {
      return [] // it ended between the two reads
    }
  })

const ancestors = (all: readonly ProcessInfo[], pid: number): ReadonlySet<number> => {
  const parents = new Map(all.map((info) => [info.pid, info.ppid]))
  const chain = new Set<number>()
  for (
    let at: number | undefined = pid;
    at !== undefined && at > 0 && !chain.has(at);
    at = parents.get(at)
  )
    chain.add(at)
  return chain
}
