import type { Server } from 'node:https'
import type { Commands } from './commands/registry.ts'
import type { Life } from './life.ts'
import { log } from './log.ts'
import type { Options } from './options.ts'
import { CLOSE_RESTARTING } from './protocol.ts'
import type { Sockets } from './sockets.ts'
import type { Terminals } from './terminals/registry.ts'

const REQUESTS_MS = 1500
const BOUND_MS = 3000

interface Parts {
  readonly server: Server
  readonly sockets: Sockets
  readonly terminals: Terminals
  readonly commands: Commands
  readonly life: Life
  readonly options: Options
}

/** Ends the process: no new connections, sockets told, requests finished, shells hung up; within 3 s. */
export const makeShutdown = (parts: Parts) => {
  let ending = false
  let graced = false

  const now = (): void => {
    if (ending) return
    ending = true
    log('ending')
    setTimeout(() => process.exit(0), BOUND_MS)
    void end(parts).finally(() => process.exit(0))
  }

  /** A node that drains sends SIGTERM first: stay for the last save, unless asked twice. */
  const onSignal = (): void => {
    const { life, options } = parts
    const claimed = life.state !== 'unclaimed' && life.state !== 'retired'
    if (graced || !claimed || options.termGraceMs === 0) return now()
    graced = true
    log('waiting for the last save', { termGraceMs: options.termGraceMs })
    setTimeout(now, options.termGraceMs)
    life.onChange((state) => state === 'retired' && setTimeout(now, REQUESTS_MS))
  }

  return { now, onSignal }
}

const end = async ({ server, sockets, terminals, commands }: Parts): Promise<void> => {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  sockets.closeAll(CLOSE_RESTARTING, 'restarting')
  server.closeIdleConnections()
  for (const terminal of terminals.list()) terminal.hangUp()
  for (const command of commands.list()) if (!command.exit) command.signal('SIGTERM')
  await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, REQUESTS_MS))])
  server.closeAllConnections()
}
