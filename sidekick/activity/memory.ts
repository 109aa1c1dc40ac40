import { readFileSync } from 'node:fs'
import type { Processes } from '../processes.ts'

/** What the compute uses now: its cgroup's account where we see one, else the processes' resident sum. */
export const memoryBytes = (processes: Processes): number => {
  try {
    const own = readFileSync('/proc/self/cgroup', 'utf8').match(/^0::(.*)$/m)?.[1] ?? ''
    // Only "/" is the compute's own group: another path is one of the machine's.
    if (own === '/') return Number(readFileSync('/sys/fs/cgroup/memory.current', 'utf8'))
  } catch {
    // no cgroup v2 here
  }
  return processes.list().reduce((sum, { rssBytes }) => sum + rssBytes, 0)
}
