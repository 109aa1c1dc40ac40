/** One build at a time in the store that every checkout of this user shares. */
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isAlive, markOf, type ProcessMark } from '../local/proc.ts'

const EVERY_MS = 200

/** Runs `work` while `file` names this process; waits for a living holder, and forgets a dead one. */
export const whileLocked = async <T>(
  file: string,
  work: () => Promise<T>,
  onWait: (holder: ProcessMark) => void = () => {},
): Promise<T> => {
  await mkdir(path.dirname(file), { recursive: true })
  const mine = `${file}.${process.pid}`
  await writeFile(mine, JSON.stringify(markOf(process.pid)))
  try {
    while (!(await linked(mine, file))) {
      const holder = await holderOf(file)
      if (holder !== undefined && isAlive(holder)) {
        onWait(holder)
        await sleep(EVERY_MS)
      } else await rm(file, { force: true })
    }
  } finally {
    await rm(mine, { force: true })
  }
  try {
    return await work()
  } finally {
    await rm(file, { force: true })
  }
}

const linked = (from: string, to: string): Promise<boolean> =>
  link(from, to).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'EEXIST') return false
      throw error
    },
  )

const holderOf = async (file: string): Promise<ProcessMark | undefined> => {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as ProcessMark
  } catch {
    return undefined
  }
}
