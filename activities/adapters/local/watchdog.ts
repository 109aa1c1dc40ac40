/**
 * Limits where no cgroup can be had: looks at every sandbox again and again and ends what goes over.
 * Between two looks a sandbox may exceed its limit; the compute says `watched`.
 */
import { readFile } from 'node:fs/promises'
import { allProcesses, descendantsOf, isAlive, kill, type ProcessStat } from './processes.ts'
import {
  listFolder,
  readRecord,
  statePaths,
  writeRecord,
  type OutOfMemoryRecord,
  type SandboxRecord,
} from './state.ts'

const EVERY_MS = 1_000
const PAGE_BYTES = 4096

export const startWatchdog = (stateDir: string, everyMs = EVERY_MS): { stop(): Promise<void> } => {
  const paths = statePaths(stateDir)
  let stopped = false
  let timer: NodeJS.Timeout | undefined
  let round: Promise<void> = Promise.resolve()

  const look = async (): Promise<void> => {
    const watched = await watchedSandboxes()
    if (watched.length === 0) return
    const all = await allProcesses()
    for (const { computeId, record } of watched) {
      const inside = userProcesses(all, record.pid)
      const victim = await largestIfOver(inside, record.memoryBytes)
      if (victim !== undefined) {
        kill(victim.pid)
        const seen = { atMs: Date.now(), process: victim.name }
        await writeRecord<OutOfMemoryRecord>(paths.outOfMemory(computeId, record.generation), seen)
      }
      // The newest first: of a fork bomb the children, not what it was started from.
      const excess = inside.length - record.pids
      const newest = [...inside].sort((a, b) => b.startTicks - a.startTicks)
      for (const { pid } of newest.slice(0, Math.max(0, excess))) kill(pid)
    }
  }

  const watchedSandboxes = async () => {
    const found: { computeId: string; record: SandboxRecord }[] = []
    for (const computeId of await listFolder(paths.computes))
      for (const name of await listFolder(paths.compute(computeId))) {
        if (!/^\d+$/.test(name)) continue
        const record = await readRecord<SandboxRecord>(paths.sandboxRecord(computeId, Number(name)))
        if (record?.limits === 'watched' && (await isAlive(record)))
          found.push({ computeId, record })
      }
    return found
  }

  const schedule = (): void => {
    if (stopped) return
    timer = setTimeout(() => {
      round = look()
        .catch(() => undefined)
        .finally(schedule)
    }, everyMs)
    timer.unref()
  }
  schedule()
  return {
    async stop() {
      stopped = true
      clearTimeout(timer)
      await round
    },
  }
}

/** Without the sidekick: the first child of the namespace's first process. */
export const userProcesses = (
  all: readonly ProcessStat[],
  firstPid: number,
): readonly ProcessStat[] => {
  const inside = descendantsOf(all, firstPid)
  const sidekick = inside
    .filter((one) => one.parentPid === firstPid)
    .toSorted((a, b) => a.startTicks - b.startTicks || a.pid - b.pid)[0]
  return inside.filter((one) => one !== sidekick)
}

/** Resident pages count shared ones for everybody; only when they are too many is it worth the exact figure. */
const largestIfOver = async (
  inside: readonly ProcessStat[],
  memoryBytes: number,
): Promise<ProcessStat | undefined> => {
  const resident = inside.reduce((sum, one) => sum + one.residentPages * PAGE_BYTES, 0)
  if (resident <= memoryBytes) return undefined
  const exact = await Promise.all(
    inside.map(async (one) => ({ one, bytes: await proportionalBytes(one) })),
  )
  if (exact.reduce((sum, { bytes }) => sum + bytes, 0) <= memoryBytes) return undefined
  return exact.toSorted((a, b) => b.bytes - a.bytes)[0]?.one
}

const proportionalBytes = async (one: ProcessStat): Promise<number> => {
  const text = await readFile(`/proc/${one.pid}/smaps_rollup`, 'utf8').catch(() => '')
  const kilobytes = /^Pss:\s+(\d+) kB/m.exec(text)?.[1]
  return kilobytes === undefined ? one.residentPages * PAGE_BYTES : Number(kilobytes) * 1024
}
