/** `npm start`: the whole platform on one machine. */
import { existsSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { runtimeName } from '../../config/config.ts'
import { openBoard, type Board } from './board.ts'
import { clusterEnv, ClusterUnfit, prepareCluster } from './computes-in-cluster.ts'
import { greeting } from './greeting.ts'
import {
  AlreadyRunning,
  homeDir,
  lockHome,
  metricsTokenOf,
  prepareHome,
  secretsOf,
  type Secrets,
} from './home.ts'
import { endLeftovers } from './leftovers.ts'
import { PartMissing } from './parts/part.ts'
import { choosePorts, PortInUse } from './ports.ts'
import { superviseProcesses, type Processes } from './processes.ts'
import { saveAll } from './save-all.ts'
import { serviceEnv, type FirstLogin } from './service-env.ts'
import { PartsMissing, startServers } from './servers.ts'
import { openServices } from './services.ts'
import { listenForStop, StoppedMeanwhile } from './stop-signals.ts'
import { NotReady } from '../wait-until.ts'
import { WISHES } from './wishes.ts'

const DIST = import.meta.dirname
const { values: options } = parseArgs({ options: { runtime: { type: 'string' } } })
const SAVE_WITHIN_MS = 60_000

const main = async (): Promise<void> => {
  // Says nothing about this program, at every start.
  process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] = 'true'
  const startedAt = Date.now()
  const home = homeDir()
  prepareHome(home)
  const release = lockHome(home)
  const board = openBoard()
  const recordDir = path.join(home, 'processes')
  let processes: Processes | undefined
  const undo: (() => Promise<void>)[] = []
  const left = { computesUp: 0 }
  const stopAsked = listenForStop({
    onAgain() {
      board.note('  Ended at once; running computes go on and are adopted at the next start.')
      processes?.killAll()
      release()
      process.exit(130)
    },
  })
  try {
    for (const name of await endLeftovers(recordDir))
      board.note(`  ended ${name}, left by a start that was killed`)
    processes = superviseProcesses({
      logDir: path.join(home, 'logs'),
      recordDir,
      onCrash(name, what, retryInMs) {
        board.note(
          `  ! ${name} ended (${what}); starting it again in ${retryInMs / 1000} s; see ${home}/logs/${name}.log`,
        )
      },
    })
    const supervised = processes
    undo.push(() => board.during('servers stop', () => supervised.stopAll()))
    const stack = await stopAsked.race(bringUp(home, processes, board, undo, left))
    undo.push(writeStackFile(home, stack))
    board.note(greeting({ ...stack, home, seconds: (Date.now() - startedAt) / 1000 }))
    await stopAsked.promise
    board.note('  Stopping: computes are saved first. Ctrl-C again ends at once.')
  } catch (error) {
    if (!(error instanceof StoppedMeanwhile)) throw error
  } finally {
    for (const step of undo.reverse())
      await step().catch((error: Error) => board.note(`  ! ${error.message}`))
    board.close()
    release()
  }
  board.note(`  Stopped.${goingOn(left.computesUp)}`)
  // A download or a build that was under way is of no more use.
  process.exit(0)
}

const bringUp = async (
  home: string,
  processes: Processes,
  board: Board,
  undo: (() => Promise<void>)[],
  left: { computesUp: number },
) => {
  const secrets = secretsOf(home)
  const { ports, moved } = await choosePorts(WISHES, process.env)
  for (const { name, wanted, heldBy, taken } of moved)
    board.note(`  port ${wanted} for ${name} is in use by ${heldBy}; taking ${taken}`)
  const servers = startServers({
    home,
    distDir: DIST,
    env: process.env,
    secrets,
    ports,
    processes,
    board,
  })
  const firstLogin = firstLoginOf(secrets)
  const runtime = options.runtime ?? runtimeName(process.env)
  const cluster = runtime === 'kubernetes' ? clusterEnv(home) : {}
  const env = serviceEnv({
    ...{ home, distDir: DIST, secrets, ports, firstLogin },
    metricsToken: metricsTokenOf(home),
    servers: { ...servers.env, ...cluster, DORMOUSE_RUNTIME: runtime },
  })
  if (runtime === 'kubernetes') await board.during('cluster', () => prepareCluster(env, board))
  const services = openServices({ env, distDir: DIST, processes, board })
  // The API needs no more than the database to come up: it does so beside the slower servers.
  const first = servers.database.then(() => services.startApi())
  // A failure of both is the servers' failure.
  first.catch(() => {})
  await servers.all
  await first
  await services.startOthers()
  undo.push(() => board.during('workers stop', () => services.stopWorkers()))
  undo.push(() =>
    board.during('save', async (say) => {
      left.computesUp = await saveComputes(env, board, say)
    }),
  )
  undo.push(() => board.during('doors close', () => services.stopDoors()))
  return {
    apiOrigin: env['DORMOUSE_API_ORIGIN'] ?? '',
    gatewayOrigin: env['DORMOUSE_GATEWAY_ORIGIN'] ?? '',
    temporalUiOrigin: env['TEMPORAL_UI_ORIGIN'],
    firstLogin: noteFirstLogin(home, firstLogin) ? firstLogin : undefined,
  }
}

/** Tells demo, CLI and tests where this stack answers; answers its removal. */
const writeStackFile = (home: string, stack: object): (() => Promise<void>) => {
  const file = path.join(home, 'stack.json')
  const { firstLogin: _, ...addresses } = stack as { firstLogin?: unknown }
  writeFileSync(`${file}.part`, JSON.stringify({ pid: process.pid, ...addresses }, null, 2))
  renameSync(`${file}.part`, file)
  return async () => rmSync(file, { force: true })
}

/** The login of the user whom the API makes when there is none. */
const firstLoginOf = (secrets: Secrets): FirstLogin => ({
  email: process.env['DORMOUSE_FIRST_EMAIL'] ?? 'you@dormouse.local',
  password: process.env['DORMOUSE_FIRST_PASSWORD'] ?? secrets.firstPassword,
})

/** True once: later starts do not show a password that may have been changed since. */
const noteFirstLogin = (home: string, login: FirstLogin): boolean => {
  const file = path.join(home, 'first-login.txt')
  if (existsSync(file)) return false
  writeFileSync(file, `${login.email}\n${login.password}\n`, { mode: 0o600 })
  return true
}

/** Stopping the platform stops no compute: who wants the machine for themselves must know. */
const goingOn = (computes: number): string => {
  if (computes === 0) return ''
  const what = computes === 1 ? '1 compute runs' : `${computes} computes run`
  return ` ${what} on without it; the next start takes ${computes === 1 ? 'it' : 'them'} up.`
}

/** Answers how many computes are up. */
const saveComputes = async (
  env: Readonly<Record<string, string | undefined>>,
  board: Board,
  say: (text: string) => void,
): Promise<number> => {
  const report = await saveAll({
    env,
    databaseUrl: env['DATABASE_URL'] ?? '',
    withinMs: SAVE_WITHIN_MS,
    onProgress: (done, total) => say(`${done} of ${total} computes`),
  })
  for (const { computeId, why } of report.unsaved)
    board.note(
      `  ! ${computeId} was not saved (${why}); it lives on and is adopted at the next start`,
    )
  return report.saved + report.unsaved.length
}

const EXPECTED = [AlreadyRunning, ClusterUnfit, NotReady, PartMissing, PartsMissing, PortInUse]

try {
  await main()
} catch (error) {
  const expected = EXPECTED.some((kind) => error instanceof kind)
  const text = error instanceof Error ? (expected ? error.message : error.stack) : String(error)
  process.stderr.write(`\n  Dormouse cannot start.\n  ${text}\n`)
  process.exit(1)
}
