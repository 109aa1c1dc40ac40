import { randomBytes } from 'node:crypto'
import { link, mkdir, rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { DormouseError } from '../../../workflows/errors.ts'
import { isAlive, processStat, type ProcessId } from './processes.ts'
import { readRecord } from './state.ts'

const WAIT_MS = 30_000

/**
 * One at a time per compute on this machine, across processes. A holder that died holds nothing.
 * Errors: Unavailable after 30 s.
 */
export const withLock = async <T>(file: string, work: () => Promise<T>): Promise<T> => {
  const deadline = Date.now() + WAIT_MS
  await mkdir(path.dirname(file), { recursive: true, mode: 0o700 })
  for (let pause = 2; !(await tryTake(file)); pause = Math.min(pause * 2, 50)) {
    if (Date.now() > deadline)
      throw new DormouseError('Unavailable', `another process holds ${path.basename(file)}`)
    await sleep(pause)
  }
  try {
    return await work()
  } finally {
    await rm(file, { force: true })
  }
}

interface Holder extends ProcessId {
  readonly token: string
}

const tryTake = async (file: string): Promise<boolean> => {
  const self = await ownId()
  const mine: Holder = { ...self, token: randomBytes(8).toString('hex') }
  const draft = `${file}.${mine.token}`
  await writeFile(draft, JSON.stringify(mine), { mode: 0o600 })
  try {
    // A link appears with its content: no holder is ever half written.
    await link(draft, file)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    await rm(draft, { force: true })
  }
  const holder = await readRecord<Holder>(file)
  if (holder === undefined || (await isAlive(holder))) return false
  await breakDead(file, holder)
  return false
}

/** Of many who find a dead holder one moves its file away; who moved a live one's puts it back. */
const breakDead = async (file: string, dead: Holder): Promise<void> => {
  const aside = `${file}.${randomBytes(4).toString('hex')}`
  try {
    await rename(file, aside)
  } catch {
    return
  }
  const moved = await readRecord<Holder>(aside)
  if (moved?.token === dead.token) await rm(aside, { force: true })
  else await rename(aside, file)
}

let own: Promise<ProcessId> | undefined
const ownId = (): Promise<ProcessId> =>
  (own ??= processStat(process.pid).then((stat) => {
    if (stat === undefined) throw new Error('/proc is not mounted')
    return { pid: stat.pid, startTicks: stat.startTicks }
  }))
