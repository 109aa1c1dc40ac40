import { mkdir, rm } from 'node:fs/promises'
import type { Server } from 'node:https'
import { Activity } from './activity/activity.ts'
import { registerActivity } from './activity/routes.ts'
import { startCpuSampler } from './activity/sampler.ts'
import { reachedCanary } from './canary.ts'
import { makeCertificate } from './certificate.ts'
import { Commands } from './commands/registry.ts'
import { registerCommands } from './commands/routes.ts'
import type { SidekickContext } from './context.ts'
import { makeDoor } from './door.ts'
import { registerFiles } from './files/routes.ts'
import { Trees } from './files/trees.ts'
import { registerLife } from './life-routes.ts'
import { MemoryEnds } from './limits/memory-ends.ts'
import { startMemoryGuard } from './limits/memory-guard.ts'
import { limitProcesses } from './limits/process-limit.ts'
import { Life } from './life.ts'
import { log } from './log.ts'
import { parseOptions, type Options } from './options.ts'
import { Listeners } from './ports/listeners.ts'
import { registerPorts } from './ports/routes.ts'
import { Processes } from './processes.ts'
import { Router } from './router.ts'
import { registerSaves } from './saves/routes.ts'
import { makeServer } from './server.ts'
import { shellEnv, terminalShell } from './shell-env.ts'
import { makeShutdown } from './shutdown.ts'
import { Sockets } from './sockets.ts'
import { Terminals } from './terminals/registry.ts'
import { registerTerminals } from './terminals/routes.ts'
import { registerWatch } from './watch/routes.ts'
import { WriteGate } from './write-gate.ts'

const options = parseOptions(process.argv.slice(2), process.env)
const life = new Life()
const activity = new Activity()
const gate = new WriteGate(life)
const processes = new Processes(options.ownPidNamespace)
const memoryEnds = new MemoryEnds()
const sockets = new Sockets(options.pingIntervalMs)
const context: SidekickContext = {
  trees: { home: options.home, env: options.env },
  scratch: options.scratch,
  life,
  activity,
  gate,
  processes,
  closeSockets: (code, reason) => sockets.closeAll(code, reason),
  restoring: () => 'none',
  dirty: () => true,
}

const began = (pid: number) => processes.began(pid)
const env = () => shellEnv(options, process.env, life.claim?.env ?? {})
const terminals = new Terminals(() => terminalShell(env(), options.home), activity, began)
const commands = new Commands(env, activity, began)
const trees = new Trees([options.home, options.env, options.scratch])
const listeners = new Listeners(processes, {
  ownNetwork: options.ownNetwork,
  ownPort: 'port' in options.listen ? options.listen.port : undefined,
})

const router = new Router()
const certificate = makeCertificate()
const server = makeServer(certificate, router, makeDoor(life))
const shutdown = makeShutdown({ server, sockets, terminals, commands, life, options })
const notice = registerTerminals(router, context, terminals, sockets)
registerLife(router, context, {
  notice,
  shutdown: shutdown.now,
  // From now on, beside the claim and a restore.
  reachedCanary: asked(() => reachedCanary(options.canaries)),
})
registerActivity(router, context, {
  terminals: () => terminals.running,
  commands: () => commands.running,
  endedForMemory: () => memoryEnds.status(),
})
registerCommands(router, context, commands)
registerWatch(router, context, trees, sockets)
registerFiles(router, context, trees)
registerPorts(router, context, listeners, sockets)
registerSaves(router, context)

process.on('SIGTERM', shutdown.onSignal)
process.on('SIGINT', shutdown.onSignal)
// Ending here would cost users their shells and unsaved files: state lives in plain objects that a
// failed callback leaves whole.
process.on('uncaughtException', (error) => log('uncaught', { error: error.stack }))
process.on('unhandledRejection', (error) => log('unhandled', { error: String(error) }))

await listen(server, options.listen)
log('listening', { bootId: life.bootId, fingerprint: certificate.fingerprint })
setImmediate(() => {
  startCpuSampler(activity, processes, options.cpuWindowMs)
  startLimits()
})

/** Asks at once; a bad answer is asked for anew by who wants it later. */
function asked(ask: () => Promise<string | null>): () => Promise<string | null> {
  let answer: Promise<string | null> | undefined = ask()
  return async () => {
    const reached = await (answer ??= ask())
    if (reached !== null) answer = undefined
    return reached
  }
}

function startLimits(): void {
  const { memoryBytes, pids } = options
  if (memoryBytes > 0)
    startMemoryGuard(memoryBytes, processes, (name) => {
      memoryEnds.add(name)
      notice(`${name} was ended: the compute's memory was used up`)
    })
  if (pids > 0)
    limitProcesses(pids).catch((error: Error) =>
      log('processes are not limited', { error: error.message }),
    )
}

async function listen(target: Server, where: Options['listen']): Promise<void> {
  if ('path' in where) await rm(where.path, { force: true }) // a socket left by an earlier process
  await mkdir(options.home, { recursive: true }).catch(() => {})
  await new Promise<void>((resolve, reject) => {
    target.once('error', reject)
    target.listen('path' in where ? { path: where.path } : where, () => {
      target.off('error', reject)
      resolve()
    })
  }).catch((error: Error) => {
    log('cannot listen', { error: error.message })
    process.exit(1)
  })
}
