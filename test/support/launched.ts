/** `npm start` as a person has it: a process of its own on a folder of its own, stopped by its signals. */
import { spawn, type ChildProcess } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { livingRecords } from '../../deploy/local/leftovers.ts'

const ROOT = path.resolve(import.meta.dirname, '../..')

export interface Launched {
  readonly pid: number
  readonly child: ChildProcess
  /** Everything it has printed. */
  output(): string
  /** Resolves with the addresses when it is up; rejects with its output when it ends before. */
  ready(withinMs: number): Promise<Addresses>
  /** Its exit code. */
  ended: Promise<number | null>
}

export interface Addresses {
  readonly apiUrl: string
  readonly gatewayUrl: string
  readonly email: string
  readonly password: string
}

export const launch = (home: string, env: Readonly<Record<string, string>> = {}): Launched => {
  const child = spawn(process.execPath, ['deploy/local/npm-start.mjs'], {
    cwd: ROOT,
    env: { ...ownEnv(), DORMOUSE_HOME: home, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  const take = (chunk: Buffer): void => void (output += chunk.toString())
  child.stdout.on('data', take)
  child.stderr.on('data', take)
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve))
  return {
    pid: child.pid ?? 0,
    child,
    output: () => output,
    ended,
    async ready(withinMs) {
      const deadline = Date.now() + withinMs
      for (;;) {
        const addresses = await readAddresses(home, child.pid ?? 0)
        if (addresses !== undefined) return addresses
        if (child.exitCode !== null || Date.now() > deadline)
          throw new Error(`npm start is not up:\n${output}`)
        await sleep(50)
      }
    },
  }
}

/** Pids of everything the launcher of this folder has started and that runs now, by name. */
export const runningParts = (home: string): ReadonlyMap<string, number> =>
  new Map(livingRecords(path.join(home, 'processes')).map(({ name, mark }) => [name, mark.pid]))

const readAddresses = async (home: string, pid: number): Promise<Addresses | undefined> => {
  const text = await readFile(path.join(home, 'stack.json'), 'utf8').catch(() => '{}')
  const stack = JSON.parse(text) as { pid?: number; apiOrigin: string; gatewayOrigin: string }
  if (stack.pid !== pid) return undefined
  const login = (await readFile(path.join(home, 'first-login.txt'), 'utf8')).split('\n')
  const [email = '', password = ''] = login
  return { apiUrl: stack.apiOrigin, gatewayUrl: stack.gatewayOrigin, email, password }
}

/** Without the servers of the suite's global set-up: the launcher brings its own. */
const ownEnv = (): NodeJS.ProcessEnv =>
  Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !/^(DATABASE_URL|TEMPORAL_|S3_|DORMOUSE_)/.test(name),
    ),
  )
