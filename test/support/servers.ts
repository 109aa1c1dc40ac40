/**
 * Global set-up of the e2e and fault suites: real servers on free loopback ports in a folder of their
 * own, or those the environment already names. Also builds what the suites start.
 */
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { binDir } from '../../deploy/local/cache.ts'
import { obtainBubblewrap } from '../../deploy/local/parts/bubblewrap.ts'
import type { RunningPart, StartOptions } from '../../deploy/local/parts/part.ts'
import { obtainPostgres, startPostgres } from '../../deploy/local/parts/postgres.ts'
import { obtainSeaweedfs, startSeaweedfs } from '../../deploy/local/parts/seaweedfs.ts'
import { obtainTemporal, startTemporal } from '../../deploy/local/parts/temporal.ts'
import { choosePorts } from '../../deploy/local/ports.ts'
import { superviseProcesses } from '../../deploy/local/processes.ts'

const ROOT = path.resolve(import.meta.dirname, '../..')

export default async function setUp(): Promise<() => Promise<void>> {
  process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] = 'true'
  build()
  const home = await mkdtemp(path.join(tmpdir(), 'dormouse-servers-'))
  // As root, Postgres runs as another user, who passes through.
  await chmod(home, 0o711)
  const processes = superviseProcesses({
    logDir: path.join(home, 'logs'),
    recordDir: path.join(home, 'processes'),
    onCrash: (name, what) => say(name)(`ended with ${what}; its log is in ${home}/logs`),
  })
  const common = (name: string): StartOptions => ({
    dir: path.join(home, name),
    processes,
    say: say(name),
  })
  const started: RunningPart[] = []
  const tearDown = async (): Promise<void> => {
    await Promise.all(started.map((part) => part.stop()))
    if (process.env['KEEP_STATE'] === undefined) await rm(home, { recursive: true, force: true })
  }
  const keep = async (part: Promise<RunningPart>): Promise<void> => {
    const running = await part
    started.push(running)
    Object.assign(process.env, running.env)
  }
  try {
    await withBubblewrap()
    process.env['DORMOUSE_BIN'] ??= binDir()
    const ports = await freePorts()
    const results = await Promise.allSettled([
      process.env['DATABASE_URL'] === undefined &&
        keep(postgres(common('postgres'), ports.postgres)),
      process.env['TEMPORAL_ADDRESS'] === undefined && keep(temporal(common('temporal'), ports)),
      process.env['S3_ENDPOINT'] === undefined && keep(seaweedfs(common('seaweedfs'), ports)),
    ])
    for (const result of results) if (result.status === 'rejected') throw result.reason
  } catch (error) {
    await tearDown()
    throw error
  }
  return tearDown
}

/** It looks at every mount of the machine, and fails over one that goes meanwhile, as those of a cluster's pods do. */
const withBubblewrap = async (triesLeft = 5): Promise<void> => {
  try {
    await obtainBubblewrap(say('bubblewrap'))
  } catch (error) {
    if (triesLeft === 1) throw error
    await sleep(1_000)
    await withBubblewrap(triesLeft - 1)
  }
}

const postgres = async (options: StartOptions, port: number): Promise<RunningPart> =>
  startPostgres({
    ...options,
    binaries: await obtainPostgres(),
    port,
    password: randomBytes(12).toString('hex'),
    database: 'dormouse',
  })

const temporal = async (
  options: StartOptions,
  ports: { readonly temporal: number; readonly ui: number },
): Promise<RunningPart> =>
  startTemporal({
    ...options,
    binary: await obtainTemporal(say('temporal')),
    ports,
  })

const seaweedfs = async (
  options: StartOptions,
  ports: Parameters<typeof startSeaweedfs>[0]['ports'],
): Promise<RunningPart> =>
  startSeaweedfs({
    ...options,
    binary: await obtainSeaweedfs(say('seaweedfs')),
    ports,
    accessKeyId: randomBytes(10).toString('hex'),
    secretAccessKey: randomBytes(20).toString('hex'),
  })

const SERVER_PORTS = ['postgres', 'temporal', 'ui', 's3'] as const

const freePorts = async (): Promise<Record<(typeof SERVER_PORTS)[number], number>> => {
  // Somewhere of its own for every run. SeaweedFS' inner ports are up to 13,000 higher: they too stay
  // below the range the kernel gives to outgoing connections.
  const first = 10_000 + Math.floor(Math.random() * 6_000)
  const wishes = SERVER_PORTS.map((name, index) => ({ name, preferred: first + index }))
  return (await choosePorts(wishes, {})).ports
}

const build = (): void => {
  if (process.env['DORMOUSE_SKIP_BUILD'] !== undefined) return
  const { status } = spawnSync(process.execPath, ['deploy/build/build.mjs'], {
    cwd: ROOT,
    stdio: 'inherit',
  })
  if (status !== 0) throw new Error('the build failed: see above')
}

const say =
  (part: string) =>
  (text: string): void =>
    void process.stderr.write(`  ${part}: ${text}\n`)
