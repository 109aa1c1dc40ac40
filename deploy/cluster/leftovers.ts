/** Pods' processes that outlived containerd. */
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { RUN_DIR } from './places.ts'

export interface Process {
  readonly pid: number
  readonly parent: number
  readonly argv: readonly string[]
}

/** Shims and sandboxes that serve this cluster's containerd, and everything below them. */
export const leftoversAmong = (all: readonly Process[]): readonly number[] => {
  const ours = new Set(all.filter(({ argv }) => isOfPods(argv)).map(({ pid }) => pid))
  for (let before = -1; before !== ours.size;) {
    before = ours.size
    for (const { pid, parent } of all) if (ours.has(parent)) ours.add(pid)
  }
  return [...ours]
}

export const leftoverProcesses = async (): Promise<readonly number[]> =>
  leftoversAmong(await processes())

/** Not by the folder's name alone: somebody may be reading a log in it. */
const isOfPods = (argv: readonly string[]): boolean =>
  /^(containerd-shim-|runsc)/.test(path.basename(argv[0] ?? '')) &&
  argv.some((word) => word.includes(`${RUN_DIR}/containerd`))

/** Of the whole machine. */
export const processes = async (): Promise<readonly Process[]> => {
  const found = await Promise.all(
    (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(processOf),
  )
  return found.filter((process) => process !== undefined)
}

const processOf = async (pid: string): Promise<Process | undefined> => {
  try {
    const [stat, command] = await Promise.all(
      ['stat', 'cmdline'].map((file) => readFile(`/proc/${pid}/${file}`, 'utf8')),
    )
    // Counted from behind the name, which may hold spaces and brackets.
    const parent = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[1]
    return { pid: Number(pid), parent: Number(parent), argv: (command ?? '').split('\0') }
  } catch {
    return undefined // ended meanwhile
  }
}
