/** The activities over real adapters, made from the environment once per worker process. */
import { existsSync } from 'node:fs'
import path from 'node:path'
import pRetry from 'p-retry'
import { loadSigningKeys } from '../auth/keys.ts'
import { createSealer } from '../auth/seal.ts'
import {
  computesUpPerUser,
  databaseUrl,
  keyConfig,
  localRuntimeConfig,
  observerOptions,
  observesInWorker,
  runtimeName,
  signingKey,
  storeConfig,
  timings,
} from '../config/config.ts'
import { kubernetesRuntimeConfig } from '../config/kubernetes.ts'
import { openDatabase } from '../records/database.ts'
import { lazyClient } from '../temporal/connection.ts'
import { taskQueues } from '../temporal/task-queues.ts'
import { createKubernetesRuntime } from './adapters/kubernetes/runtime.ts'
import { createLocalRuntime } from './adapters/local/runtime.ts'
import { startWatchdog } from './adapters/local/watchdog.ts'
import { createS3Store } from './adapters/s3/store.ts'
import { createSidekickControl } from './adapters/sidekick/control.ts'
import { cancellation } from './adapters/temporal/cancellation.ts'
import { powerSchedules, workflowDoors } from './adapters/temporal/doors.ts'
import type { ControlActivities, DataActivities } from './contract.ts'
import type { ControlDeps } from './control-deps.ts'
import { createControlActivities, createDataActivities, type DataDeps } from './index.ts'
import { tellingOfMemory } from './memory-ends.ts'
import { startObserver, type ObserverDeps, type ObserverOptions } from './observer.ts'
import type { Runtime } from './ports.ts'
import { tellingOfWalls } from './walls.ts'

type Env = Readonly<Record<string, string | undefined>>

export interface Composed<A, D> {
  readonly activities: A
  readonly deps: D
  close(): Promise<void>
}

const CONTROL_CONNECTIONS = 20
const DATA_CONNECTIONS = 20
const OBSERVER_CONNECTIONS = 4

/** With the observer, unless that is a process of its own, and on the local runtime the watchdog, until `close`. */
export const composeControl = (env: Env): Promise<Composed<ControlActivities, ControlDeps>> =>
  composing(env, CONTROL_CONNECTIONS, async ({ deps, runtime, keys }) => {
    const temporal = lazyClient(env)
    const queue = taskQueues(env).control
    const control: ControlDeps = {
      ...deps,
      runtime,
      sealer: createSealer(keyConfig(env).sealKey),
      ticketKeys: [keys.publicJwk],
      doors: workflowDoors(temporal.client, queue),
      schedules: powerSchedules(temporal.client, queue),
      timings: timings(env),
      computesUpPerUser: computesUpPerUser(env),
    }
    const observer = observesInWorker(env)
      ? startObserver(control, observerOptions(env))
      : undefined
    const watchdog =
      runtime.name === 'local' ? startWatchdog(localRuntimeConfig(env).stateDir) : undefined
    return {
      activities: createControlActivities(control),
      deps: control,
      async close() {
        await Promise.all([observer?.stop(), watchdog?.stop()])
        await temporal.close()
      },
    }
  })

export const composeData = (env: Env): Promise<Composed<DataActivities, DataDeps>> =>
  composing(env, DATA_CONNECTIONS, async ({ deps, runtime }) => {
    const data: DataDeps = { ...deps, runtime, cancellation }
    return {
      activities: createDataActivities(data),
      deps: data,
      close: () => Promise.resolve(),
    }
  })

/** What the observer needs of them: neither store nor sidekicks, and no key. */
export const composeObserver = (
  env: Env,
): { deps: ObserverDeps; options: ObserverOptions; close(): Promise<void> } => {
  const db = openDatabase(databaseUrl(env), OBSERVER_CONNECTIONS)
  const temporal = lazyClient(env)
  const doors = workflowDoors(temporal.client, taskQueues(env).control)
  return {
    deps: { db, runtime: makeRuntime(env), doors },
    options: observerOptions(env),
    async close() {
      await temporal.close()
      await db.destroy()
    },
  }
}

const composing = async <A, D>(
  env: Env,
  connections: number,
  make: (parts: ReturnType<typeof shared>) => Promise<Composed<A, D>>,
): Promise<Composed<A, D>> => {
  const parts = shared(env, connections)
  const { db, store, sidekick } = parts.deps
  // A store that restarts just now is no reason to end.
  await pRetry(() => store.ensureBucket(), { retries: 30, minTimeout: 200, maxTimeout: 1_000 })
  const composed = await make(parts)
  return {
    ...composed,
    async close() {
      await composed.close()
      await sidekick.close()
      store.close()
      await db.destroy()
    },
  }
}

const shared = (env: Env, connections: number) => {
  const keys = loadSigningKeys(signingKey(env))
  const db = openDatabase(databaseUrl(env), connections)
  return {
    keys,
    runtime: makeRuntime(env),
    deps: {
      db,
      store: createS3Store(storeConfig(env)),
      sidekick: tellingOfMemory(tellingOfWalls(createSidekickControl(keys), db), db),
    },
  }
}

/** Throws when DORMOUSE_RUNTIME names none we have. */
const makeRuntime = (env: Env): Runtime => {
  const name = runtimeName(env)
  switch (name) {
    case 'local':
      return makeLocalRuntime(env)
    case 'kubernetes':
      return createKubernetesRuntime(kubernetesRuntimeConfig(env))
    default:
      throw new Error(`DORMOUSE_RUNTIME is "${name}"; this build knows: local, kubernetes`)
  }
}

const makeLocalRuntime = (env: Env): Runtime => {
  const { sidekickNode = null, cgroup = null, ...config } = localRuntimeConfig(env)
  return createLocalRuntime({ ...config, bwrap: findBwrap(env), sidekickNode, cgroup })
}

/** The one the launcher fetched, else the one on PATH. */
const findBwrap = (env: Env): string => {
  const fetched = env['DORMOUSE_BIN'] && path.join(env['DORMOUSE_BIN'], 'bwrap')
  return fetched !== undefined && fetched !== '' && existsSync(fetched) ? fetched : 'bwrap'
}
