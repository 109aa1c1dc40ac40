/**
 * Starts the stack's processes, keeps them up and leaves a record of each on disk, so that a later start
 * finds what a killed launcher left behind. Each runs in a session of its own: a Ctrl-C in the terminal
 * reaches the launcher alone, which then stops them in order.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, mkdirSync, openSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { forgetProcess, recordProcess } from './leftovers.ts'
import { trySignal } from './proc.ts'

export interface ProcessSpec {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd?: string
  readonly uid?: number
  readonly gid?: number
  readonly stopSignal?: NodeJS.Signals
  readonly stopWithinMs?: number
}

export interface Supervised {
  readonly name: string
  pid(): number | undefined
  readonly logFile: string
  /** How it ended, every time that nobody had asked it to. */
  crashes(): readonly string[]
  stop(): Promise<void>
}

export interface Processes {
  readonly logDir: string
  start(spec: ProcessSpec): Supervised
  /** Ends whatever still runs, all together; nothing can be started afterwards. */
  stopAll(): Promise<void>
  /** SIGKILL to all that run, at once. */
  killAll(): void
}

const FIRST_BACK_OFF_MS = 500
const LAST_BACK_OFF_MS = 30_000
const STEADY_AFTER_MS = 60_000

export const superviseProcesses = (options: {
  readonly logDir: string
  readonly recordDir: string
  /** Told of every crash and of the wait before the next try. */
  readonly onCrash?: (name: string, what: string, retryInMs: number) => void
}): Processes => {
  mkdirSync(options.logDir, { recursive: true, mode: 0o700 })
  mkdirSync(options.recordDir, { recursive: true })
  const running = new Set<ChildProcess>()
  const supervised = new Set<Supervised>()
  let closed = false

  const start = (spec: ProcessSpec): Supervised => {
    if (closed) throw new Error(`${spec.name} is not started: the stack is stopping`)
    const stopping = new AbortController()
    let child: ChildProcess | undefined
    const crashes: string[] = []
    const logFile = path.join(options.logDir, `${spec.name}.log`)
    let exited: Promise<void> = Promise.resolve()
    let backOffMs = FIRST_BACK_OFF_MS

    const launch = (): void => {
      const startedAt = Date.now()
      const log = openSync(logFile, 'a')
      const started = spawn(spec.command, spec.args, {
        env: spec.env as NodeJS.ProcessEnv,
        stdio: ['ignore', log, log],
        detached: true,
        ...(spec.cwd === undefined ? {} : { cwd: spec.cwd }),
        ...(spec.uid === undefined ? {} : { uid: spec.uid }),
        ...(spec.gid === undefined ? {} : { gid: spec.gid }),
      })
      closeSync(log)
      child = started
      running.add(started)
      if (started.pid !== undefined) recordProcess(options.recordDir, spec.name, started.pid)
      exited = new Promise((resolve) => {
        const ended = (what: string): void => {
          running.delete(started)
          if (child === started) child = undefined
          resolve()
          if (stopping.signal.aborted) return
          crashes.push(what)
          void restart(startedAt, what)
        }
        started.once('error', (error) => ended(error.message))
        started.once('exit', (code, signal) =>
          ended(signal === null ? `exit code ${code}` : `signal ${signal}`),
        )
      })
    }
    const restart = async (startedAt: number, what: string): Promise<void> => {
      if (Date.now() - startedAt > STEADY_AFTER_MS) backOffMs = FIRST_BACK_OFF_MS
      const waitMs = backOffMs
      backOffMs = Math.min(backOffMs * 2, LAST_BACK_OFF_MS)
      options.onCrash?.(spec.name, what, waitMs)
      await sleep(waitMs, undefined, { signal: stopping.signal }).catch(() => {})
      if (!stopping.signal.aborted) launch()
    }
    launch()

    const self: Supervised = {
      name: spec.name,
      pid: () => child?.pid,
      logFile,
      crashes: () => crashes,
      async stop() {
        stopping.abort()
        supervised.delete(self)
        const ending = child
        if (ending?.pid !== undefined) {
          ending.kill(spec.stopSignal ?? 'SIGTERM')
          const bound = new AbortController()
          const late = sleep(spec.stopWithinMs ?? 15_000, 'late', { signal: bound.signal })
          const outcome = await Promise.race([exited, late.catch(() => 'late')])
          if (outcome === 'late') trySignal(ending.pid, 'SIGKILL', true)
          await exited
          bound.abort()
        }
        forgetProcess(options.recordDir, spec.name)
      },
    }
    supervised.add(self)
    return self
  }

  return {
    logDir: options.logDir,
    start,
    async stopAll() {
      closed = true
      await Promise.all([...supervised].map((one) => one.stop()))
    },
    killAll() {
      for (const child of running)
        if (child.pid !== undefined) trySignal(child.pid, 'SIGKILL', true)
    },
  }
}

const CRASHES_ENOUGH = 3

/** For waitUntil: as long as it has not crashed thrice. */
export const untilCrashed = ({ crashes, logFile }: Supervised) => ({
  everyMs: 50,
  logFile,
  ended: (): string | undefined =>
    crashes().length < CRASHES_ENOUGH ? undefined : `it does not start (${crashes().at(-1)})`,
})
