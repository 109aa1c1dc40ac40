/** The current workflows on a real Temporal server, over an in-memory world. */
import { randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { Client, Connection, type WorkflowHandle } from '@temporalio/client'
import {
  bundleWorkflowCode,
  DefaultLogger,
  NativeConnection,
  Runtime,
  Worker,
  type WorkflowBundleWithSourceMap,
} from '@temporalio/worker'
import { namedErrors } from '../../temporal/activity-errors.ts'
import { heartbeats } from '../../temporal/alive.ts'
import { localEnd } from '../../temporal/local-end.ts'
import { computeDoors, type ComputeDoors } from '../../temporal/doors.ts'
import { ensureSearchAttributes } from '../../temporal/search-attributes.ts'
import { BUILD_ID } from '../../workflows/plot.ts'
import {
  computeWorkflowId,
  type ComputeInput,
  type ComputeState,
  type ComputeView,
  type Timings,
} from '../../workflows/compute/contract.ts'
import { newId } from '../../records/ids.ts'
import { World } from './world.ts'

const WORKFLOWS = fileURLToPath(new URL('../../workflows/index.ts', import.meta.url))

/** Nothing happens by itself within a test, and back-offs are short. */
const CALM: Timings = {
  idleTimeoutMs: 0,
  maxLifetimeMs: 0,
  checkpointEveryMs: 0,
  provisionRetryForMs: 3000,
  announceMs: [],
  deleteSaveForMs: 2000,
  backOffMs: 100,
}

/** For expect.poll: two busy cores are slow, and a wait that is not needed costs nothing. */
export const PATIENT = { timeout: 15_000 }

export const USER = { reason: 'user', actor: 'user:test' } as const

export interface TemporalWorld {
  readonly world: World
  readonly client: Client
  readonly doors: ComputeDoors
  readonly queue: string
  /** A compute that exists as a row only. */
  row(timings?: Partial<Timings>): ComputeInput
  /** A compute that runs. */
  up(timings?: Partial<Timings>): Promise<ComputeInput>
  /** The command, waited for. */
  ask(input: ComputeInput, name: 'hibernate' | 'wake' | 'retry'): Promise<ComputeView>
  remove(input: ComputeInput, purge?: boolean): Promise<ComputeView>
  handle(input: ComputeInput): WorkflowHandle
  until(input: ComputeInput, state: ComputeState, withinMs?: number): Promise<void>
  /** All runs of the compute, oldest first. */
  histories(input: ComputeInput): Promise<History[]>
  close(): Promise<void>
}
export type History = Awaited<
  ReturnType<ReturnType<Client['workflow']['getHandle']>['fetchHistory']>
>

let bundle: Promise<WorkflowBundleWithSourceMap> | undefined

/** `cached: false`: computes push each other out of the cache and are replayed all the time, so that any non-determinism shows. */
export const startTemporalWorld = async (
  { cached } = { cached: process.env['DORMOUSE_TEST_UNCACHED'] !== '1' },
): Promise<TemporalWorld> => {
  const address = process.env['TEMPORAL_ADDRESS'] ?? '127.0.0.1:7233'
  const namespace = process.env['TEMPORAL_NAMESPACE'] ?? 'default'
  const logger = new DefaultLogger('ERROR')
  Runtime.install({ logger, shutdownSignals: [] })
  bundle ??= bundleWorkflowCode({ workflowsPath: WORKFLOWS, logger })
  const workflowBundle = await bundle
  const native = await NativeConnection.connect({ address })
  const connection = await Connection.connect({ address })
  await ensureSearchAttributes(connection, namespace)
  const client = new Client({ connection, namespace })
  const prefix = `t-${randomUUID().slice(0, 8)}`
  const queue = `${prefix}-control`
  const world = new World()
  const common = { connection: native, namespace, shutdownForceTime: '5s' as const }
  const control = await Worker.create({
    ...common,
    taskQueue: queue,
    buildId: BUILD_ID,
    workflowBundle,
    activities: world.control(),
    interceptors: { activity: [heartbeats, localEnd, namedErrors] },
    ...(cached ? {} : { maxCachedWorkflows: 1 }),
  })
  const data = await Worker.create({
    ...common,
    taskQueue: `${prefix}-data`,
    activities: world.data(),
    interceptors: { activity: [heartbeats, localEnd, namedErrors] },
  })
  const running = [control.run(), data.run()]
  const doors = computeDoors(client, queue)
  const started: string[] = []

  const row = (timings: Partial<Timings> = {}): ComputeInput => {
    const computeId = newId()
    world.insert(computeId)
    started.push(computeId)
    return {
      computeId,
      groupId: 'group-1',
      ownerId: 'user-1',
      image: 'host',
      runtime: 'local',
      timings: { ...CALM, ...timings },
      cause: { reason: 'created', actor: 'user:test' },
    }
  }

  return {
    world,
    client,
    doors,
    queue,
    row,
    async up(timings) {
      const input = row(timings)
      const { view } = await doors.create(input, 20_000)
      if (view?.state !== 'running') throw new Error(`not running: ${JSON.stringify(view)}`)
      return input
    },
    async ask(input, name) {
      const { result } = await doors.command(input, name, { cause: USER }, { waitMs: 20_000 })
      if (result === undefined) throw new Error(`${name} was not answered in 20 s`)
      return result
    },
    async remove(input, purge = false) {
      world.row(input.computeId).deleteRequested = { purge }
      const args = { cause: USER, purge }
      const { result } = await doors.command(input, 'delete', args, { waitMs: 20_000 })
      if (result === undefined) throw new Error('delete was not answered in 20 s')
      return result
    },
    handle: (input) => client.workflow.getHandle(computeWorkflowId(input.computeId)),
    async until(input, state, withinMs = 15_000) {
      const endMs = Date.now() + withinMs
      while (world.row(input.computeId).state !== state) {
        if (Date.now() > endMs)
          throw new Error(`is ${world.row(input.computeId).state}, not ${state}`)
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    },
    async histories(input) {
      const workflowId = computeWorkflowId(input.computeId)
      const found: History[] = []
      let runId: string | undefined = (await client.workflow.getHandle(workflowId).describe()).runId
      while (runId) {
        const history: History = await client.workflow.getHandle(workflowId, runId).fetchHistory()
        found.unshift(history)
        runId =
          history.events?.[0]?.workflowExecutionStartedEventAttributes?.continuedExecutionRunId ||
          undefined
      }
      return found
    },
    async close() {
      for (const computeId of started)
        await client.workflow
          .getHandle(computeWorkflowId(computeId))
          .terminate('the test is over')
          .catch(() => undefined)
      control.shutdown()
      data.shutdown()
      await Promise.all(running)
      await connection.close()
      await native.close()
    },
  }
}
