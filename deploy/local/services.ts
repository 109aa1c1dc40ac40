/** Starts Dormouse's own processes from dist/, in the order they need one another. */
import path from 'node:path'
import { connectClient } from '../../temporal/connection.ts'
import { taskQueues } from '../../temporal/task-queues.ts'
import type { Board } from './board.ts'
import type { Processes, Supervised } from './processes.ts'
import { pollsSince } from './pollers.ts'
import { waitUntil } from './wait-until.ts'

type Env = Readonly<Record<string, string | undefined>>

export interface Services {
  /** No new traffic, then no new commands. */
  stopDoors(): Promise<void>
  stopWorkers(): Promise<void>
}

export const startServices = async (options: {
  readonly env: Env
  readonly distDir: string
  readonly processes: Processes
  readonly board: Board
}): Promise<Services> => {
  const { env, board } = options
  const running = new Map<string, Supervised>()
  const start = (name: string, node: string, stopWithinMs: number): Supervised => {
    const service = options.processes.start({
      name,
      command: node,
      args: ['--enable-source-maps', path.join(options.distDir, `${name}.js`)],
      env,
      stopWithinMs,
    })
    running.set(name, service)
    return service
  }
  const stop = async (names: readonly string[]): Promise<void> => {
    await Promise.all(names.flatMap((name) => running.get(name)?.stop() ?? []))
  }
  const stopDoors = async (): Promise<void> => {
    await stop(['gateway'])
    await stop(['api'])
  }
  const stopWorkers = (): Promise<void> => stop(['worker', 'data-worker'])
  try {
    // It migrates the database, which the others read from their first moment on.
    await board.during('API', async () => {
      const api = start('api', process.execPath, 20_000)
      await answers('API', `${env['DORMOUSE_API_ORIGIN']}/healthz`, api)
    })
    await Promise.all([
      board.during('gateway', async () => {
        const gateway = start('gateway', process.execPath, 20_000)
        await answers('gateway', `${env['DORMOUSE_GATEWAY_ORIGIN']}/healthz`, gateway)
      }),
      board.during('worker', async () => {
        const worker = start('worker', process.execPath, 30_000)
        await polls('worker', env, 'control', worker)
      }),
      board.during('data worker', async () => {
        // The one service that packs and unpacks: it needs a Node that has zstd.
        const worker = start(
          'data-worker',
          env['DORMOUSE_SIDEKICK_NODE'] ?? process.execPath,
          30_000,
        )
        await polls('data worker', env, 'data', worker)
      }),
    ])
  } catch (error) {
    await stopDoors()
    await stopWorkers()
    throw error
  }
  return { stopDoors, stopWorkers }
}

const answers = (what: string, url: string, child: Supervised): Promise<void> =>
  waitUntil(
    what,
    async () => {
      const response = await fetch(url, { signal: AbortSignal.timeout(2_000) })
      if (!response.ok) throw new Error(`${url} answered ${response.status}`)
    },
    { withinMs: 60_000, child },
  )

const polls = async (
  what: string,
  env: Env,
  queue: 'control' | 'data',
  child: Supervised,
): Promise<void> => {
  const since = Date.now()
  const temporal = await connectClient(env)
  try {
    await waitUntil(
      what,
      async () => {
        if (!(await pollsSince(temporal.client, taskQueues(env)[queue], since)))
          throw new Error(`nobody takes tasks from ${queue}; see its log`)
      },
      { withinMs: 60_000, everyMs: 100, child },
    )
  } finally {
    await temporal.close()
  }
}
