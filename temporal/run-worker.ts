/** One worker process: connect, take tasks until SIGTERM, drain, exit. */
import { setTimeout as sleep } from 'node:timers/promises'
import {
  DefaultLogger,
  NativeConnection,
  Runtime,
  Worker,
  type NativeConnectionOptions,
  type WorkerOptions,
} from '@temporalio/worker'
import { temporalConfig, workerConfig, type WorkerConfig } from '../config/config.ts'
import { namedErrors } from './activity-errors.ts'
import { heartbeats } from './alive.ts'
import { answerHealth } from './health.ts'
import { localEnd } from './local-end.ts'
import { ensureSearchAttributes } from './search-attributes.ts'

type Env = Readonly<Record<string, string | undefined>>

export interface WorkerParts {
  readonly options: Pick<
    WorkerOptions,
    | 'taskQueue'
    | 'activities'
    | 'workflowBundle'
    | 'workflowsPath'
    | 'buildId'
    | 'maxConcurrentActivityTaskExecutions'
    | 'workflowFailureErrorTypes'
  >
  /** After the worker can take tasks. An error here ends the process. */
  readonly ready?: () => Promise<void>
  readonly close: () => Promise<void>
}

const CONNECT_FOR_MS = 60_000

/** Resolves when the worker has drained after SIGTERM or SIGINT; rejects when it cannot go on. */
export const runWorker = async (
  env: Env,
  makeParts: (connection: NativeConnection) => Promise<WorkerParts>,
): Promise<void> => {
  const config = workerConfig(env)
  install(config)
  const { address, namespace, access } = temporalConfig(env)
  const connection = await connect({ address, ...access })
  await ensureSearchAttributes(connection, namespace)
  const parts = await makeParts(connection)
  const worker = await Worker.create({
    connection,
    namespace,
    ...parts.options,
    interceptors: { activity: [heartbeats, localEnd, namedErrors] },
    shutdownGraceTime: config.drainMs,
    // An activity that ignores its cancellation must not keep the process.
    shutdownForceTime: config.drainMs + 5_000,
    // The first wait of a quiet worker is short, a busy one opens more polls.
    workflowTaskPollerBehavior: { type: 'autoscaling', minimum: 2, initial: 4, maximum: 16 },
    activityTaskPollerBehavior: { type: 'autoscaling', minimum: 2, initial: 4, maximum: 16 },
  })
  const health = answerHealth(config.healthAddress, () => worker.getState() === 'RUNNING')
  const running = worker.run()
  try {
    await parts.ready?.()
    await running
  } catch (error) {
    if (worker.getState() === 'RUNNING') worker.shutdown()
    await running
    throw error
  } finally {
    health?.close()
    await parts.close()
    await connection.close()
  }
}

const install = (config: WorkerConfig): void => {
  const logger = new DefaultLogger('WARN', ({ level, message, meta }) => {
    const line = { level: level.toLowerCase(), time: Date.now(), msg: message, ...meta }
    process.stderr.write(`${JSON.stringify(line, (_key, value: unknown) => plain(value))}\n`)
  })
  Runtime.install({
    logger,
    telemetryOptions: {
      logging: { forward: {}, filter: { core: 'WARN', other: 'WARN' } },
      ...(config.metricsAddress === undefined
        ? {}
        : {
            metrics: {
              prometheus: {
                bindAddress: config.metricsAddress,
                countersTotalSuffix: true,
                unitSuffix: true,
                useSecondsForDurations: true,
              },
            },
          }),
    },
  })
}

const plain = (value: unknown): unknown =>
  typeof value === 'bigint'
    ? Number(value)
    : value instanceof Error
      ? { name: value.name, message: value.message, stack: value.stack }
      : value

/** Temporal may start later than we do. */
const connect = async (options: NativeConnectionOptions): Promise<NativeConnection> => {
  const giveUpAtMs = Date.now() + CONNECT_FOR_MS
  for (;;)
    try {
      return await NativeConnection.connect(options)
    } catch (error) {
      if (Date.now() > giveUpAtMs) throw error
      await sleep(500)
    }
}
