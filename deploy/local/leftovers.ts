/** Records of started processes on disk, and the end of those that outlived their launcher. */
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isAlive, markOf, trySignal, type ProcessMark } from './proc.ts'

export const recordProcess = (recordDir: string, name: string, pid: number): void => {
  const mark = markOf(pid)
  if (mark === undefined) return
  mkdirSync(recordDir, { recursive: true })
  writeFileSync(path.join(recordDir, `${name}.json`), JSON.stringify(mark))
}

export const forgetProcess = (recordDir: string, name: string): void =>
  rmSync(path.join(recordDir, `${name}.json`), { force: true })

/** Those of the record that still run: the same process, not another one with its number. */
export const livingRecords = (
  recordDir: string,
): readonly { readonly name: string; readonly mark: ProcessMark }[] => {
  let files: string[]
  try {
    files = readdirSync(recordDir).filter((file) => file.endsWith('.json'))
  } catch {
    return []
  }
  return files.flatMap((file) => {
    const mark = readMark(path.join(recordDir, file))
    return mark !== undefined && isAlive(mark) ? [{ name: file.slice(0, -5), mark }] : []
  })
}

/** Servers end after the services that use them. */
const SERVERS: ReadonlySet<string> = new Set(['postgres', 'temporal', 'seaweedfs'])

/** Ends what a killed launcher left running; answers their names. */
export const endLeftovers = async (recordDir: string): Promise<readonly string[]> => {
  const living = livingRecords(recordDir)
  for (const servers of [false, true])
    await Promise.all(
      living
        .filter(({ name }) => SERVERS.has(name) === servers)
        .map(({ name, mark }) => end(name, mark)),
    )
  rmSync(recordDir, { recursive: true, force: true })
  return living.map(({ name }) => name)
}

const end = async (name: string, mark: ProcessMark): Promise<void> => {
  // Postgres takes SIGTERM as "when every client has left"; SIGINT is its clean stop now.
  trySignal(mark.pid, name === 'postgres' ? 'SIGINT' : 'SIGTERM')
  // SeaweedFS never ends sooner by itself than its own 15 s wait; its writes are on disk by then.
  const deadline = Date.now() + (name === 'seaweedfs' ? 1_500 : 8_000)
  while (isAlive(mark)) {
    if (Date.now() > deadline) trySignal(mark.pid, 'SIGKILL', true)
    await sleep(50)
  }
}

const readMark = (file: string): ProcessMark | undefined => {
  try {
    const { pid, startTicks } = JSON.parse(readFileSync(file, 'utf8')) as Partial<ProcessMark>
    return typeof pid === 'number' && typeof startTicks === 'string'
      ? { pid, startTicks }
      : undefined
  } catch {
    // Cut short by a crash while it was written: the process it named cannot be known.
    return undefined
  }
}
