import { cp, mkdir, readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { statePaths } from '../../activities/adapters/local/state.ts'
import { timings } from '../../config/config.ts'
import { computeInput, requireCompute, type ComputeRow } from '../../records/computes.ts'
import { newId } from '../../records/ids.ts'
import { computeDoors } from '../../temporal/doors.ts'
import { taskQueues } from '../../temporal/task-queues.ts'
import { forEachAtOnce } from '../../test/support/at-once.ts'
import { temporalClient } from '../../test/support/temporal-histories.ts'
import { SERVICES, sandboxPids, type Stack } from '../../test/support/stack.ts'
import type { Bench, Measure } from '../bench.ts'
import { figure } from '../figure.ts'

const MIB = 1024 * 1024

/** Resident memory of our services idle, with one sidekick, and with many computes that sleep or run. */
export const memory: Measure = async (bench) => {
  const { stack, visitor, quick } = bench
  const idle = await services(stack)
  const { id } = await visitor.client.computes.create({ name: 'bench memory' }, { wait: 60 })
  await sleep(3_000)
  const sidekick = await sidekickBytes(stack)
  const many = quick ? 50 : 1_000
  await rows(bench, id, many, 'hibernated')
  const full = await services(stack)
  const before = await residentBytes(stack.pid('worker'))
  await rows(bench, id, many, 'running')
  const open = await residentBytes(stack.pid('worker'))
  await areUp(stack, many)
  await visitor.client.computes.remove(id, { purge: true, wait: 60 })
  return [
    figure('idle stack: api, gateway, worker, data worker', idle / MIB, 'MiB'),
    figure('one idle sidekick', sidekick / MIB, 'MiB', { value: 80, name: 'our own bound' }),
    figure(`stack with ${many} hibernated computes`, full / MIB, 'MiB', {
      value: idle / MIB,
      name: 'idle stack',
    }),
    figure(
      `worker with ${many} open computes besides (rows and workflows real, sandboxes faked)`,
      open / MIB,
      'MiB',
      { value: before / MIB, name: `worker with ${many} hibernated computes` },
    ),
  ]
}

/**
 * Rows as a hibernation or a start leaves them, each given a workflow as the janitor would. Those that
 * run all say, in rows and to the runtime, that the sandbox of `likeId` is theirs.
 */
const rows = async (
  { stack }: Bench,
  likeId: string,
  count: number,
  state: 'hibernated' | 'running',
): Promise<void> => {
  const { db, env } = stack
  const like = await requireCompute(db, likeId)
  const filesystem = await db
    .selectFrom('filesystems')
    .selectAll()
    .where('id', '=', like.filesystem_id)
    .executeTakeFirstOrThrow()
  const client = await temporalClient(env)
  const doors = computeDoors(client, taskQueues(env).control)
  // One that was just adopted saves soon, and none of these could: each would be taken for lost, again and again.
  const unsaved = { ...timings(env), checkpointEveryMs: 0 }
  await forEachAtOnce(count, 20, async (n) => {
    const filesystemId = newId()
    await db
      .insertInto('filesystems')
      .values({ ...filesystem, id: filesystemId, lease_compute_id: null, lease_generation: null })
      .execute()
    const row = await db
      .insertInto('computes')
      .values({
        ...like,
        id: newId(),
        name: `${state} ${n}`,
        filesystem_id: filesystemId,
        state,
        reason: 'user',
        problem: null,
        schedule: null,
        idle_timeout_ms: Number(like.idle_timeout_ms),
        max_lifetime_ms: Number(like.max_lifetime_ms),
        delete_requested: null,
      })
      .returningAll()
      .executeTakeFirstOrThrow()
    if (state === 'running') await shareSandbox(stack, like, row.id)
    await doors.adopt(computeInput(row, unsaved, { reason: 'user', actor: 'bench' }, true))
    // A worker that has much to do answers late, and the later the more it is asked.
    while ((await doors.view(row.id).catch(() => undefined))?.state !== state) await sleep(1_000)
  })
  await client.connection.close()
}

/** A worker that took them for lost would have had other things to remember. */
const areUp = async ({ db }: Stack, count: number): Promise<void> => {
  const up = await db.selectFrom('computes').select('id').where('state', '=', 'running').execute()
  if (up.length < count) throw new Error(`only ${up.length} of ${count} computes are still open`)
}

const shareSandbox = async (
  { db, stateDir }: Stack,
  { id, generation }: ComputeRow,
  computeId: string,
): Promise<void> => {
  const { address, ...sandbox } = await db
    .selectFrom('sandboxes')
    .selectAll()
    .where('compute_id', '=', id)
    .where('generation', '=', generation)
    .executeTakeFirstOrThrow()
  await db
    .insertInto('sandboxes')
    .values({ ...sandbox, compute_id: computeId, address: JSON.stringify(address) })
    .execute()
  const paths = statePaths(stateDir)
  await mkdir(paths.generation(computeId, generation), { recursive: true })
  await cp(paths.sandboxRecord(id, generation), paths.sandboxRecord(computeId, generation))
}

const services = async (stack: Stack): Promise<number> => {
  const sizes = await Promise.all(SERVICES.map((service) => residentBytes(stack.pid(service))))
  return sizes.reduce((sum, size) => sum + size, 0)
}

const sidekickBytes = async (stack: Stack): Promise<number> => {
  let most = 0
  for (const pid of await sandboxPids(stack.stateDir)) {
    const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '')
    for (const child of [pid, ...children.split(' ').filter(Boolean).map(Number)])
      most = Math.max(most, await residentBytes(child))
  }
  return most
}

const residentBytes = async (pid: number): Promise<number> => {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024
}
