/** A Postgres of the test's own, which it may end without warning and start again on the same data. */
import { spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { obtainPostgres, startPostgres } from '../../deploy/local/parts/postgres.ts'
import type { Processes, ProcessSpec } from '../../deploy/local/processes.ts'
import { freePort } from './stack.ts'

/** How it ends: SIGKILL to the postmaster, or what `pg_ctl stop -m immediate` sends. */
export const SUDDEN_ENDS = ['SIGKILL', 'SIGQUIT'] as const
export type SuddenEnd = (typeof SUDDEN_ENDS)[number]

export interface PostgresServer {
  readonly url: string
  end(how: SuddenEnd): Promise<void>
  /** Resolves when it answers. */
  start(): Promise<void>
  stop(): Promise<void>
}

export const startOwnPostgres = async (): Promise<PostgresServer> => {
  const home = await mkdtemp(path.join(tmpdir(), 'dormouse-postgres-'))
  await chmod(home, 0o711)
  const own = ownProcess(home)
  const { env, stop } = await startPostgres({
    dir: path.join(home, 'postgres'),
    processes: own.processes,
    binaries: await obtainPostgres(),
    port: await freePort(),
    password: randomBytes(12).toString('hex'),
    database: 'dormouse',
  })
  const url = env['DATABASE_URL'] ?? ''
  return {
    url,
    end: (how) => own.end(how),
    async start() {
      const deadline = Date.now() + 60_000
      while (!(await answers(url))) {
        if (Date.now() > deadline) throw new Error('Postgres did not come up again')
        // The first tries may meet the last backends of a killed postmaster, and then it gives up.
        own.launch()
        await sleep(50)
      }
    },
    async stop() {
      await stop()
      await rm(home, { recursive: true, force: true })
    },
  }
}

/** Starts what the launcher would start, but never again by itself. */
const ownProcess = (home: string) => {
  let spec: ProcessSpec | undefined
  let child: ChildProcess | undefined
  const launch = (): void => {
    if (spec === undefined || child !== undefined) return
    const started = spawn(spec.command, spec.args, {
      env: spec.env as NodeJS.ProcessEnv,
      cwd: spec.cwd,
      stdio: 'ignore',
      ...(spec.uid === undefined ? {} : { uid: spec.uid }),
      ...(spec.gid === undefined ? {} : { gid: spec.gid }),
    })
    child = started
    started.once('exit', () => {
      if (child === started) child = undefined
    })
  }
  const end = async (how: NodeJS.Signals): Promise<void> => {
    const ending = child
    if (ending === undefined) return
    const gone = new Promise((resolve) => ending.once('exit', resolve))
    ending.kill(how)
    await gone
  }
  const processes: Processes = {
    logDir: home,
    start(wanted) {
      spec = wanted
      launch()
      return {
        name: wanted.name,
        pid: () => child?.pid,
        logFile: '',
        crashes: () => [],
        stop: () => end(wanted.stopSignal ?? 'SIGTERM'),
      }
    },
    stopAll: () => end('SIGINT'),
    killAll: () => void child?.kill('SIGKILL'),
  }
  return { processes, launch, end }
}

const answers = async (connectionString: string): Promise<boolean> => {
  const client = new pg.Client({ connectionString, connectionTimeoutMillis: 2_000 })
  client.on('error', () => {})
  try {
    await client.connect()
    await client.query('select 1')
    return true
  } catch {
    return false
  } finally {
    await client.end().catch(() => {})
  }
}
