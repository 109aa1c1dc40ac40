/** Starts Dormouse's own processes from dist/, in the order they need one another. */
import path from 'node:path'
import { connectClient } from '../../temporal/connection.ts'
import { taskQueues } from '../../temporal/task-queues.ts'
import type { Board } from './board.ts'
import { untilCrashed, type Processes, type Supervised } from './processes.ts'
import { pollsSince } from './pollers.ts'
import { waitUntil } from '../wait-until.ts'

type Env = Readonly<Record<string, string | undefined>>

export interface Services {
  /** It migrates the database, which the others read from their first moment on. */
  startApi(): Promise<void>
  startOthers(): Promise<void>
  /** No new traffic, then no new commands. */
  stopDoors(): Promise<void>
  stopWorkers(): Promise<void>
}

export const openServices = (options: {
  readonly env: Env
  readonly distDir: string
  readonly processes: Processes
  readonly board: Board
}): Services => {
  const { env, board } = options
  const running = new Map<string, Supervised>()
  const start = (name: string, stopWithinMs: number, node = process.execPath): Supervised => {
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
  return {
    startApi: () =>
      board.during('API', () =>
        answers('API', `${env['DORMOUSE_API_ORIGIN']}/healthz`, start('api', 20_000)),
      ),
    async startOthers() {
      await Promise.all([
        board.during('gateway', () =>
          answers('gateway', `${env['DORMOUSE_GATEWAY_ORIGIN']}/healthz`, start('gateway', 20_000)),
        ),
        board.during('worker', () => polls('worker', env, 'control', start('worker', 30_000))),
        board.during('data worker', () =>
          // The one service that packs and unpacks: it needs a Node that has zstd.
          polls(
            'data worker',
            env,
            'data',
            start('data-worker', 30_000, env['DORMOUSE_SIDEKICK_NODE']),
          ),
        ),
      ])
    },
    async stopDoors() {
      await stop(['gateway'])
      await stop(['api'])
    },
    stopWorkers: () => stop(['worker', 'data-worker']),
  }
}

const answers = (what: string, url: string, child: Supervised): Promise<void> =>
  waitUntil(
    what,
    async () => {
      const response = await fetch(url, { signal: AbortSignal.timeout(2_000) })
      if (!response.ok) throw new Error(`${url} answered ${response.status}`)
    },
    { withinMs: 60_000, ...untilCrashed(child) },
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
      { withinMs: 60_000, ...untilCrashed(child) },
    )
  } finally {
    await temporal.close()
  }
}
