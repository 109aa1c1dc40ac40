import { expect } from 'vitest'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Client } from '@temporalio/client'
import { isProblem } from '../../sdk/problem.ts'
import type { Stack } from '../support/stack.ts'
import { temporalClient } from '../support/temporal-histories.ts'
import type { TemporalServer } from '../support/temporal-server.ts'
import type { Visitor } from '../support/visitor.ts'

const SMALL = { smallFiles: 50, contiguousMib: 1 }

/** What an operator does to a workflow in the Temporal UI never loses a file nor strands a compute. */
export const survivesOperators = async (stack: Stack, visitor: Visitor): Promise<void> => {
  const temporal = await temporalClient(stack.env)
  for (const blow of ['terminate', 'reset', 'cancel'] as const)
    for (const state of ['running', 'hibernated', 'hibernating', 'waking'] as const)
      await survivesBlow(visitor, temporal, blow, state)
  await temporal.connection.close()
}

const survivesBlow = async (
  visitor: Visitor,
  temporal: Client,
  blow: 'terminate' | 'reset' | 'cancel',
  state: 'running' | 'hibernated' | 'hibernating' | 'waking',
): Promise<void> => {
  const { client, insist } = visitor
  const { id } = await client.computes.create({ name: `${blow} while ${state}` }, { wait: 60 })
  await visitor.makeTree(id, { ...SMALL, seed: state })
  const before = await visitor.hashTree(id)
  const pending: Promise<unknown>[] = []
  if (state !== 'running')
    pending.push(client.computes.hibernate(id, state === 'hibernating' ? {} : { wait: 60 }))
  if (state === 'waking') {
    await Promise.all(pending)
    pending.push(client.computes.wake(id))
  }
  await Promise.allSettled(pending)
  await strike(temporal, `compute-${id}`, blow)
  // whatever it was doing, a wake by its owner brings every file back
  expect(await hashAfterWake(visitor, id), `${blow} while ${state}`).toBe(before)
  await insist(() => client.computes.remove(id, { wait: 60, purge: true }))
  await visitor.until(id, 'terminated', 120_000)
}

/** A cancel means hibernate, whenever it takes effect: a wake that it overtook is asked for again. */
const hashAfterWake = async (visitor: Visitor, id: string): Promise<string> => {
  const { client, insist } = visitor
  for (let attempt = 1; ; attempt++) {
    await insist(() => client.computes.wake(id, { wait: 60 }))
    try {
      return await visitor.hashTree(id)
    } catch (error) {
      if (attempt === 5 || !(isProblem(error) && error.status === 409)) throw error
    }
  }
}

const strike = async (
  temporal: Client,
  workflowId: string,
  blow: 'terminate' | 'reset' | 'cancel',
): Promise<void> => {
  const handle = temporal.workflow.getHandle(workflowId)
  if (blow === 'terminate') return void (await handle.terminate('an operator, by hand'))
  if (blow === 'cancel') return void (await handle.cancel())
  // a run that has only just begun has no point to be reset to yet
  const { runId, eventId } = await expect
    .poll(() => firstFinishedTask(temporal, workflowId), { timeout: 20_000 })
    .not.toBeUndefined()
    .then(() => firstFinishedTask(temporal, workflowId))
    .then((point) => point!)
  await temporal.workflowService.resetWorkflowExecution({
    namespace: temporal.options.namespace,
    workflowExecution: { workflowId, runId },
    reason: 'an operator, by hand',
    workflowTaskFinishEventId: eventId,
    requestId: `${workflowId}-${Date.now()}`,
  })
}

const firstFinishedTask = async (temporal: Client, workflowId: string) => {
  const { runId } = await temporal.workflow.getHandle(workflowId).describe()
  const { events } = await temporal.workflow.getHandle(workflowId, runId).fetchHistory()
  const finished = events?.find((event) => event.workflowTaskCompletedEventAttributes)
  return finished?.eventId ? { runId, eventId: finished.eventId } : undefined
}

/** The server dies in the middle of lives and comes back; all resume. R3. */
export const survivesTemporalKills = async (
  stack: Stack,
  visitor: Visitor,
  temporal: TemporalServer,
  kills: number,
): Promise<void> => {
  const { client, insist } = visitor
  const { id } = await client.computes.create({ name: 'server kills' }, { wait: 60 })
  await visitor.makeTree(id, { ...SMALL, seed: 'r3' })
  for (let kill = 0; kill < kills; kill++) {
    await visitor.run(id, `echo ${kill} > tree/kill`)
    const before = await visitor.hashTree(id)
    const asked = insist(() => client.computes.hibernate(id, { wait: 60 }), 180_000)
    asked.catch(() => undefined)
    await sleep(Math.random() * 500)
    await temporal.kill()
    await temporal.start()
    await asked
    await insist(() => client.computes.wake(id, { wait: 60 }), 180_000)
    await visitor.until(id, 'running', 120_000)
    expect(await visitor.hashTree(id), `kill ${kill}`).toBe(before)
  }
  await insist(() => client.computes.remove(id, { wait: 60, purge: true }))
  await visitor.until(id, 'terminated', 120_000)
  expect(await stack.sandboxes(id)).toEqual([])
}

/** Temporal's data is lost whole; rows and sandboxes rebuild it. */
export const rebuildsFromRows = async (
  stack: Stack,
  visitor: Visitor,
  temporal: TemporalServer,
): Promise<void> => {
  const { client, insist } = visitor
  const up = await client.computes.create({ name: 'was running' }, { wait: 60 })
  const asleep = await client.computes.create({ name: 'was asleep' }, { wait: 60 })
  for (const { id } of [up, asleep]) await visitor.makeTree(id, { ...SMALL, seed: id })
  const before = { up: await visitor.hashTree(up.id), asleep: await visitor.hashTree(asleep.id) }
  await client.computes.hibernate(asleep.id, { wait: 60 })

  await temporal.kill()
  await temporal.loseEverything()
  await temporal.start()
  for (const service of ['worker', 'data-worker'] as const) {
    await stack.kill(service)
    await stack.start(service)
  }
  await insist(() => client.computes.wake(asleep.id, { wait: 60 }), 120_000)
  expect(await visitor.hashTree(asleep.id)).toBe(before.asleep)
  // the janitor adopts what nobody asks for
  const client2 = await temporalClient(stack.env)
  await expect
    .poll(
      () =>
        client2.workflow
          .getHandle(`compute-${up.id}`)
          .describe()
          .then(
            (description) => description.status.name,
            () => 'absent',
          ),
      { timeout: 60_000, interval: 500 },
    )
    .toBe('RUNNING')
  await client2.connection.close()
  expect(await visitor.hashTree(up.id)).toBe(before.up)
  await insist(() => client.computes.hibernate(up.id, { wait: 60 }))
  await insist(() => client.computes.wake(up.id, { wait: 60 }))
  expect(await visitor.hashTree(up.id)).toBe(before.up)
  for (const { id } of [up, asleep])
    await insist(() => client.computes.remove(id, { wait: 60, purge: true }))
}
