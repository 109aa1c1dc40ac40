import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { Failure } from '../errors.ts'
import type { Processes } from '../processes.ts'
import type { PortInfo } from '../protocol.ts'
import { parseTcpTable, type Host, type Listening } from './tcp-table.ts'

const FRESH_FOR_MS = 1000

export interface Listener extends PortInfo {
  /** Where it is dialled. */
  readonly host: Host
}

/**
 * Ports on which processes of this compute listen. Where the network is shared with the machine
 * (`ownNetwork` false) a socket counts only if a process of the compute holds it, and where no
 * other answers in its stead: a port address must never lead to a service of the machine.
 */
export class Listeners {
  readonly #processes: Processes
  readonly #ownNetwork: boolean
  readonly #ownPort: number | undefined
  #seen: readonly Listener[] = []
  #seenAtMs = -Infinity

  constructor(processes: Processes, options: { ownNetwork: boolean; ownPort: number | undefined }) {
    this.#processes = processes
    this.#ownNetwork = options.ownNetwork
    this.#ownPort = options.ownPort
  }

  list(): readonly PortInfo[] {
    return this.#look().map(({ port, pid, process }) => ({ port, pid, process }))
  }

  /** Errors: forbidden for the sidekick's own port, no_listener. */
  find(port: number): Listener {
    if (port === this.#ownPort)
      throw new Failure('forbidden', `Port ${port} is the sidekick's own; serve on another.`)
    const seen =
      performance.now() - this.#seenAtMs < FRESH_FOR_MS &&
      this.#seen.find((listener) => listener.port === port)
    const listener = seen || this.#look().find((candidate) => candidate.port === port)
    if (!listener) throw nothingListens(port)
    return listener
  }

  #look(): readonly Listener[] {
    const table = ['/proc/net/tcp', '/proc/net/tcp6'].flatMap(readTable)
    const owners = socketOwners(this.#processes, new Set(table.map(({ inode }) => inode)))
    // Two sockets may have one port, on addresses that differ: these answer for the machine.
    const taken = new Set<string>()
    if (!this.#ownNetwork)
      for (const { port, inode, hosts } of table)
        if (!owners.has(inode)) taken.add(`${hosts.at(-1)} ${port}`)
    const byPort = new Map<number, Listener>()
    for (const { port, inode, hosts } of table) {
      const owner = owners.get(inode)
      const host = hosts.find((one) => !taken.has(`${one} ${port}`))
      if (port === this.#ownPort || (!owner && !this.#ownNetwork) || !host) continue
      // One that IPv4 reaches is preferred to one on ::1 alone.
      if (byPort.get(port)?.host === '127.0.0.1') continue
      byPort.set(port, { port, pid: owner?.pid ?? null, process: owner?.name ?? null, host })
    }
    this.#seen = [...byPort.values()].sort((a, b) => a.port - b.port)
    this.#seenAtMs = performance.now()
    return this.#seen
  }
}

export const nothingListens = (port: number): Failure =>
  new Failure(
    'no_listener',
    `Nothing in the compute listens on port ${port}. Start a server on 0.0.0.0 or localhost first.`,
  )

const readTable = (path: string): readonly Listening[] => {
  try {
    return parseTcpTable(readFileSync(path, 'latin1'))
  } catch {
    return [] // no IPv6 here
  }
}

const socketOwners = (processes: Processes, wanted: ReadonlySet<number>) => {
  const owners = new Map<number, { readonly pid: number; readonly name: string }>()
  for (const { pid, name } of processes.list()) {
    if (owners.size === wanted.size) break
    for (const inode of socketsOf(pid))
      if (wanted.has(inode) && !owners.has(inode)) owners.set(inode, { pid, name })
  }
  return owners
}

const socketsOf = (pid: number): readonly number[] => {
  try {
    return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      const inode = /^socket:\[(\d+)\]$/.exec(linkOf(`/proc/${pid}/fd/${fd}`))?.[1]
      return inode ? [Number(inode)] : []
    })
  } catch {
    return [] // ended, or not ours to look into
  }
}

const linkOf = (path: string): string => {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}
