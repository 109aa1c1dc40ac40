/** Reads /proc: who a process is, beyond a number that may have been given to another one since. */
import { readFileSync } from 'node:fs'
import { readFile, readdir, readlink } from 'node:fs/promises'

export interface ProcessMark {
  readonly pid: number
  /** Clock ticks since boot at which the process started: with the pid it names one process for ever. */
  readonly startTicks: string
}

/** The mark of a living process; undefined when there is none (a zombie is none). */
export const markOf = (pid: number): ProcessMark | undefined => {
  let stat: string
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  } catch {
    return undefined
  }
  // The command name may hold spaces and brackets; fields are counted from behind it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [state, startTicks] = [fields[0], fields[19]]
  if (state === undefined || startTicks === undefined || state === 'Z') return undefined
  return { pid, startTicks }
}

export const isAlive = (mark: ProcessMark): boolean =>
  markOf(mark.pid)?.startTicks === mark.startTicks

/** Signals a process, or with `group` its whole process group; no error when it is gone. */
export const trySignal = (pid: number, signal: NodeJS.Signals, group = false): void => {
  try {
    process.kill(group ? -pid : pid, signal)
  } catch {
    // gone already
  }
}

/** Who listens on this TCP port, as far as this user may see: "postgres (pid 42)". */
export const listenerOn = async (port: number): Promise<string | undefined> => {
  const inodes = await listeningInodes(port)
  if (inodes.size === 0) return undefined
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const descriptors = await readdir(`/proc/${name}/fd`).catch(() => [])
    for (const descriptor of descriptors) {
      const target = await readlink(`/proc/${name}/fd/${descriptor}`).catch(() => '')
      if (!inodes.has(target)) continue
      const command = await readFile(`/proc/${name}/comm`, 'utf8').catch(() => 'a process')
      return `${command.trim()} (pid ${name})`
    }
  }
  return 'a process of another user'
}

const LISTEN = '0A'

const listeningInodes = async (port: number): Promise<Set<string>> => {
  const hexPort = port.toString(16).toUpperCase().padStart(4, '0')
  const tables = await Promise.all(
    ['/proc/net/tcp', '/proc/net/tcp6'].map((file) => readFile(file, 'utf8').catch(() => '')),
  )
  const inodes = new Set<string>()
  for (const line of tables.join('\n').split('\n')) {
    const columns = line.trim().split(/\s+/)
    if (columns[3] === LISTEN && columns[1]?.endsWith(`:${hexPort}`))
      inodes.add(`socket:[${columns[9]}]`)
  }
  return inodes
}
