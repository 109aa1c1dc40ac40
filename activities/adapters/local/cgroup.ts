/** Enforced limits by a delegated cgroup v2 folder (systemd: Delegate=yes), one child per generation. */
import { readFile, rmdir, writeFile, mkdir } from 'node:fs/promises'
import path from 'node:path'
import type { SandboxRef, SandboxSpec } from '../../ports.ts'

const CPU_PERIOD_US = 100_000
const CONTROLLERS = ['memory', 'pids', 'cpu'] as const

export interface CgroupParent {
  /** `command`, started inside a cgroup of its own with the limits of `spec`. */
  wrap(spec: SandboxSpec, command: readonly string[]): Promise<readonly string[]>
}

/** Null when no folder was given; throws, with what is missing, when the one given cannot be used. */
export const cgroupParent = async (folder: string | null): Promise<CgroupParent | null> => {
  if (folder === null) return null
  const available = (await readFile(path.join(folder, 'cgroup.controllers'), 'utf8')).split(/\s+/)
  const missing = CONTROLLERS.filter((name) => !available.includes(name))
  if (missing.length > 0)
    throw new Error(`${folder} lacks the cgroup controllers ${missing.join(', ')}`)
  await writeFile(
    path.join(folder, 'cgroup.subtree_control'),
    CONTROLLERS.map((name) => `+${name}`).join(' '),
  )
  return {
    async wrap(spec, command) {
      const own = cgroupOf(folder, spec)
      await mkdir(own, { recursive: true })
      const set = (file: string, value: string): Promise<void> =>
        writeFile(path.join(own, file), value)
      await set('memory.max', String(spec.memoryBytes))
      await set('pids.max', String(spec.pids))
      await set(
        'cpu.max',
        `${Math.round(spec.cpuMillis * (CPU_PERIOD_US / 1000))} ${CPU_PERIOD_US}`,
      )
      // The shell moves itself in before it becomes bubblewrap, so no process is ever outside.
      return ['/bin/sh', '-c', 'echo $$ > "$0/cgroup.procs" && exec "$@"', own, ...command]
    },
  }
}

/** Absent is fine; processes that are still ending are waited for by the caller. */
export const removeCgroup = async (folder: string, ref: SandboxRef): Promise<void> => {
  await rmdir(cgroupOf(folder, ref)).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
  })
}

const cgroupOf = (folder: string, ref: SandboxRef): string =>
  path.join(folder, `${ref.computeId}.${ref.generation}`)
