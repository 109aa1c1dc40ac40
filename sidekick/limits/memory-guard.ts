import { readFileSync } from 'node:fs'
import { log } from '../log.ts'
import type { ProcessInfo, Processes } from '../processes.ts'

const CALM_EVERY_MS = 500
const TIGHT_EVERY_MS = 50

/**
 * Where a sandbox that takes too much memory is ended whole (gVisor in a pod), its largest process goes
 * before that: the pod has a little more than its users may take.
 */
export const startMemoryGuard = (
  limitBytes: number,
  processes: Pick<Processes, 'list'>,
  tell: (name: string) => void,
): void => {
  const look = (): void => {
    const all = processes.list()
    const resident = residentBytes(all)
    const victim = resident > limitBytes ? victimOf(all, limitBytes, usedBytes()) : undefined
    if (victim !== undefined) {
      log('ended for memory', { pid: victim.pid, rssBytes: victim.rssBytes })
      kill(victim.pid)
      tell(victim.name)
    }
    setTimeout(look, resident > limitBytes / 2 ? TIGHT_EVERY_MS : CALM_EVERY_MS).unref()
  }
  look()
}

/**
 * `sandboxBytes`: what everything in the sandbox uses but the sidekick, each page once. Resident sizes
 * count a page that forks share for each of them; they say whom to take, and that it is soon time to.
 */
export const victimOf = (
  all: readonly ProcessInfo[],
  limitBytes: number,
  sandboxBytes: number,
): ProcessInfo | undefined => {
  if (residentBytes(all) <= limitBytes || sandboxBytes <= limitBytes) return undefined
  return all.toSorted((a, b) => b.rssBytes - a.rssBytes)[0]
}

const residentBytes = (all: readonly ProcessInfo[]): number =>
  all.reduce((sum, { rssBytes }) => sum + rssBytes, 0)

/** The sandbox's own under gVisor. Where it is the machine's it is larger, and resident sizes decide. */
const usedBytes = (): number => {
  const text = readFileSync('/proc/meminfo', 'utf8')
  const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1])
  const used = (field('MemTotal') - field('MemFree')) * 1024 - process.memoryUsage.rss()
  return Number.isFinite(used) ? used : Number.POSITIVE_INFINITY
}

const kill = (pid: number): void => {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // it ended between the two
  }
}
