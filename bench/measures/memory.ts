import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { newId } from '../../records/ids.ts'
import { temporalClient } from '../../test/support/temporal-histories.ts'
import { SERVICES, sandboxPids, type Stack } from '../../test/support/stack.ts'
import type { Bench, Measure } from '../bench.ts'
import { figure } from '../figure.ts'

const MIB = 1024 * 1024

/** Resident memory of our services idle, with one sidekick, and with many hibernated computes. */
export const memory: Measure = async (bench) => {
  const { stack, visitor, quick } = bench
  const idle = await services(stack)
  const { id } = await visitor.client.computes.create({ name: 'bench memory' }, { wait: 60 })
  await sleep(3_000)
  const sidekick = await sidekickBytes(stack)
  const asleep = quick ? 50 : 1_000
  await hibernated(bench, id, asleep)
  const full = await services(stack)
  await visitor.client.computes.remove(id, { purge: true, wait: 60 })
  return [
    figure('idle stack: api, gateway, worker, data worker', idle / MIB, 'MiB'),
    figure('one idle sidekick', sidekick / MIB, 'MiB', { value: 80, name: 'our own bound' }),
    figure(`stack with ${asleep} hibernated computes`, full / MIB, 'MiB', {
      value: idle / MIB,
      name: 'idle stack',
    }),
  ]
}

/** Rows as a hibernation leaves them; the janitor gives each its workflow back, as after a restore. */
const hibernated = async ({ stack }: Bench, likeId: string, count: number): Promise<void> => {
  const like = await stack.db
    .selectFrom('computes')
    .selectAll()
    .where('id', '=', likeId)
    .executeTakeFirstOrThrow()
  const filesystem = await stack.db
    .selectFrom('filesystems')
    .selectAll()
    .where('id', '=', like.filesystem_id)
    .executeTakeFirstOrThrow()
  for (let n = 0; n < count; n++) {
    const filesystemId = newId()
    await stack.db
      .insertInto('filesystems')
      .values({ ...filesystem, id: filesystemId, lease_compute_id: null, lease_generation: null })
      .execute()
    await stack.db
      .insertInto('computes')
      .values({
        ...like,
        id: newId(),
        name: `asleep ${n}`,
        filesystem_id: filesystemId,
        state: 'hibernated',
        reason: 'user',
        idle_timeout_ms: Number(like.idle_timeout_ms),
        max_lifetime_ms: Number(like.max_lifetime_ms),
        problem: null,
        schedule: null,
        delete_requested: null,
      })
      .execute()
  }
  const client = await temporalClient(stack.env)
  const queue = `TaskQueue = '${stack.env['DORMOUSE_TASK_QUEUE_PREFIX']}control'`
  const query = `WorkflowType = 'compute' AND ExecutionStatus = 'Running' AND ${queue}`
  const deadline = Date.now() + 600_000
  while ((await client.workflow.count(query)).count < count) {
    if (Date.now() > deadline) throw new Error('the janitor did not adopt every hibernated compute')
    await sleep(2_000)
  }
  await client.connection.close()
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
