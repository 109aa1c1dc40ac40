import { spawn } from 'node:child_process'
import { mkdir, open, readFile } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { DormouseError } from '../../../workflows/errors.ts'
import { processStat, type ProcessId } from './processes.ts'

const START_WITHIN_MS = 10_000

/** On this descriptor bubblewrap tells the pid of the first process inside. */
export const INFO_FD = ['--info-fd', '3'] as const

/**
 * Starts a sandbox that outlives this process. Resolves to the namespace's first process, with
 * whose end everything inside ends. Errors: ProvisionFailed with what bubblewrap said.
 */
export const launchBubblewrap = async (
  command: readonly string[],
  logFile: string,
): Promise<ProcessId> => {
  const log = await open(logFile, 'a', 0o600)
  try {
    const [file = '', ...args] = command
    const child = spawn(file, args, {
      detached: true,
      env: {},
      cwd: '/',
      stdio: ['ignore', log.fd, log.fd, 'pipe'],
    })
    const spawned = new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve)
      child.once('error', reject)
    })
    child.unref()
    await spawned
    const pid = await firstProcess(child.stdio[3] as Readable)
    const stat = pid === undefined ? undefined : await processStat(pid)
    if (stat === undefined) throw await saying(logFile)
    return { pid: stat.pid, startTicks: stat.startTicks }
  } finally {
    await log.close()
  }
}

/** Plain process, its own session: no wall at all, only by explicit setting. */
export const launchPlain = async (
  argv: readonly string[],
  options: { readonly cwd: string; readonly env: Readonly<Record<string, string>> },
  logFile: string,
): Promise<ProcessId> => {
  await mkdir(options.cwd, { recursive: true })
  const log = await open(logFile, 'a', 0o600)
  try {
    const [file = '', ...args] = argv
    const child = spawn(file, args, {
      detached: true,
      cwd: options.cwd,
      env: options.env,
      stdio: ['ignore', log.fd, log.fd],
    })
    child.on('error', () => undefined)
    child.unref()
    const stat = child.pid === undefined ? undefined : await processStat(child.pid)
    if (stat === undefined) throw await saying(logFile)
    return { pid: stat.pid, startTicks: stat.startTicks }
  } finally {
    await log.close()
  }
}

/** bwrap writes its child's pid as JSON and closes; it closes without a word when it fails. */
const firstProcess = async (info: Readable): Promise<number | undefined> => {
  const read = async (): Promise<number | undefined> => {
    let text = ''
    for await (const chunk of info) text += String(chunk)
    if (text === '') return undefined
    return (JSON.parse(text) as { 'child-pid': number })['child-pid']
  }
  const timeout = new AbortController()
  const late = sleep(START_WITHIN_MS, undefined, { signal: timeout.signal, ref: false })
  late.catch(() => undefined)
  try {
    return await Promise.race([read(), late])
  } finally {
    timeout.abort()
    info.destroy()
  }
}

const saying = async (logFile: string): Promise<DormouseError> => {
  const text = await readFile(logFile, 'utf8').catch(() => '')
  const last = text.trim().split('\n').slice(-5).join(' | ').slice(-500)
  return new DormouseError('ProvisionFailed', `the sandbox did not start: ${last || 'no reason'}`)
}
