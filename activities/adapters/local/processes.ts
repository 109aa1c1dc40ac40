/** Host processes by pid and start time: a pid alone may have been given to someone else since. */
import { readdir, readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'

export interface ProcessId {
  readonly pid: number
  /** Field 22 of /proc/<pid>/stat: clock ticks after boot. */
  readonly startTicks: number
}

export interface ProcessStat extends ProcessId {
  readonly name: string
  readonly state: string
  readonly parentPid: number
  readonly sessionId: number
  readonly residentPages: number
}

/** Undefined when there is no such process. */
export const processStat = async (pid: number): Promise<ProcessStat | undefined> => {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(absent)
  return text === undefined ? undefined : parseStat(text)
}

export const allProcesses = async (): Promise<readonly ProcessStat[]> => {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const stats = await Promise.all(pids.map((pid) => processStat(Number(pid))))
  return stats.filter((stat) => stat !== undefined)
}

export const isAlive = async (id: ProcessId): Promise<boolean> => {
  const stat = await processStat(id.pid)
  return stat !== undefined && stat.startTicks === id.startTicks && !'ZX'.includes(stat.state)
}

/** SIGKILL, then waits until it is gone. Throws when it is still there after `waitMs`. */
export const killAndWait = async (id: ProcessId, waitMs = 10_000): Promise<void> => {
  const deadline = Date.now() + waitMs
  for (let pause = 2; await isAlive(id); pause = Math.min(pause * 2, 50)) {
    kill(id.pid)
    if (Date.now() > deadline) throw new Error(`process ${id.pid} survives SIGKILL`)
    await sleep(pause)
  }
}

/** Processes whose command line holds `marker`, e.g. what a launch left that died before it wrote its record. */
export const findByCommandLine = async (marker: string): Promise<readonly ProcessStat[]> => {
  const found = (await allProcesses()).map(async (stat) => {
    const line = await readFile(`/proc/${stat.pid}/cmdline`, 'utf8').catch(absent)
    return line?.includes(marker) === true && stat.pid !== process.pid ? stat : undefined
  })
  return (await Promise.all(found)).filter((stat) => stat !== undefined)
}

export const descendantsOf = (
  all: readonly ProcessStat[],
  root: number,
): readonly ProcessStat[] => {
  const byParent = new Map<number, ProcessStat[]>()
  for (const stat of all) {
    const siblings = byParent.get(stat.parentPid)
    if (siblings === undefined) byParent.set(stat.parentPid, [stat])
    else siblings.push(stat)
  }
  const below = (pid: number): readonly ProcessStat[] =>
    (byParent.get(pid) ?? []).flatMap((child) => [child, ...below(child.pid)])
  return below(root)
}

export const kill = (pid: number): void => {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

export const parseStat = (text: string): ProcessStat => {
  // The name is in parentheses and may itself hold parentheses and blanks.
  const nameEnd = text.lastIndexOf(')')
  const fields = text.slice(nameEnd + 2).split(' ')
  const number = (index: number): number => Number(fields[index])
  return {
    pid: Number.parseInt(text, 10),
    name: text.slice(text.indexOf('(') + 1, nameEnd),
    state: fields[0] ?? 'X',
    parentPid: number(1),
    sessionId: number(3),
    startTicks: number(19),
    residentPages: number(21),
  }
}

const absent = (error: NodeJS.ErrnoException): undefined => {
  if (error.code === 'ENOENT' || error.code === 'ESRCH') return undefined
  throw error
}
