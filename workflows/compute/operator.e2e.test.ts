import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { keepHistories } from '../../test/world/histories.ts'
import {
  PATIENT,
  startTemporalWorld,
  USER,
  type TemporalWorld,
} from '../../test/world/temporal-world.ts'
import { computeWorkflowId, type ComputeInput, type ComputeState } from './contract.ts'

let t: TemporalWorld
beforeAll(async () => {
  t = await startTemporalWorld()
}, 60_000)
afterAll(() => t.close(), 30_000)
afterEach(() => {
  t.world.heal()
  expect(t.world.violations).toEqual([])
})

test('cancel means hibernate, as often as it is pressed, and the compute can be woken again', async () => {
  const input = await t.up()
  const id = input.computeId
  for (const generation of [1, 2]) {
    expect(t.world.row(id)).toMatchObject({ state: 'running', generation })
    t.world.write(id, `file-${generation}`)
    await t.handle(input).cancel()
    await t.until(input, 'hibernated')
    expect(t.world.row(id).cause).toEqual({ reason: 'operator', actor: 'operator' })
    await t.ask(input, 'wake')
  }
  expect(t.world.files(id)).toEqual(['file-1', 'file-2'])
  await keepHistories('cancelled', input, await t.histories(input))
})

test('cancel of a compute whose save fails keeps it up and answering, and can be pressed again', async () => {
  const input = await t.up({ backOffMs: 60_000 })
  const id = input.computeId
  t.world.write(id, 'a')
  t.world.fail('save', 'SaveFailed', 1, id)
  await t.handle(input).cancel()
  await expect.poll(() => t.world.row(id).problem?.code, PATIENT).toBe('SaveFailed')
  expect(await t.doors.view(id)).toMatchObject({ state: 'running' })
  await t.handle(input).cancel()
  await t.until(input, 'hibernated')
})

test('cancel while hibernated or failed changes nothing', async () => {
  const input = await t.up()
  await t.ask(input, 'hibernate')
  await t.handle(input).cancel()
  await expect.poll(async () => (await t.histories(input)).length, PATIENT).toBe(3)
  expect((await t.ask(input, 'wake')).state).toBe('running')
  const failed = t.row()
  t.world.fail('provision', 'ImageNotFound', 1, failed.computeId)
  await t.doors.create(failed, 10_000)
  await t.handle(failed).cancel()
  await expect.poll(async () => (await t.histories(failed)).length, PATIENT).toBe(2)
  expect((await t.ask(failed, 'retry')).state).toBe('running')
})

const STATES = [
  'provisioning',
  'running',
  'hibernating',
  'hibernated',
  'waking',
  'restoring',
  'failed',
] as const

/** Brings a compute with one file into `state` and keeps it there until `release`. */
const inState = async (
  state: (typeof STATES)[number],
): Promise<{ input: ComputeInput; release: () => void }> => {
  if (state === 'provisioning' || state === 'failed') {
    const input = t.row()
    if (state === 'failed') t.world.fail('provision', 'ImageNotFound', 1, input.computeId)
    const release =
      state === 'provisioning' ? t.world.hold('provision', input.computeId) : () => undefined
    await t.doors.create(input, state === 'failed' ? 10_000 : 0)
    if (state === 'provisioning')
      await expect.poll(() => t.world.called('provision', input.computeId), PATIENT).toBe(1)
    return { input, release }
  }
  const input = await t.up()
  const id = input.computeId
  t.world.write(id, 'a')
  if (state === 'running') return { input, release: () => undefined }
  if (state === 'hibernating') {
    const release = t.world.hold('save', id)
    await t.doors.command(input, 'hibernate', { cause: USER }, { waitMs: 0 })
    await expect.poll(() => t.world.called('save', id), PATIENT).toBe(1)
    return { input, release }
  }
  await t.ask(input, 'hibernate')
  if (state === 'hibernated') return { input, release: () => undefined }
  const release = t.world.hold(state === 'waking' ? 'provision' : 'restore', id)
  await t.doors.command(input, 'wake', { cause: USER }, { waitMs: 0 })
  if (state === 'restoring') await t.until(input, 'restoring')
  else await expect.poll(() => t.world.called('provision', id), PATIENT).toBe(2)
  return { input, release }
}

const comesBack = async (input: ComputeInput, state: ComputeState): Promise<void> => {
  const id = input.computeId
  const settled = await t.doors.create({ ...input, recover: true }, 20_000)
  if (settled.view?.state === 'failed') await t.ask(input, 'retry')
  // A hibernation that was under way when it was struck may still be carried out.
  await expect.poll(async () => (await t.ask(input, 'wake')).state, PATIENT).toBe('running')
  if (state !== 'provisioning' && state !== 'failed') expect(t.world.files(id)).toEqual(['a'])
  expect((await t.ask(input, 'hibernate')).state).toBe('hibernated')
  expect((await t.ask(input, 'wake')).state).toBe('running')
  expect((await t.remove(input)).state).toBe('terminated')
  expect(t.world.live(id)).toBe(0)
}

describe('terminated in the UI, then adopted: nothing is lost and everything works', () => {
  for (const state of STATES)
    test(`while ${state}`, async () => {
      const { input, release } = await inState(state)
      await t.handle(input).terminate('an operator, by hand')
      release()
      expect(await t.doors.adopt(input)).toBe('adopted')
      expect(await t.doors.adopt(input)).toBe('already_running')
      await comesBack(input, state)
      await keepHistories(`adopted-${state}`, input, await t.histories(input))
    })
})

describe('terminated in the UI: the next command adopts it by itself', () => {
  for (const [state, name] of [
    ['running', 'hibernate'],
    ['hibernated', 'wake'],
    ['hibernating', 'wake'],
  ] as const)
    test(`${name} while ${state}`, async () => {
      const { input, release } = await inState(state)
      await t.handle(input).terminate('an operator, by hand')
      release()
      const view = await t.ask(input, name)
      expect(view.state).toBe(name === 'wake' ? 'running' : 'hibernated')
      await comesBack(input, state)
    })
})

describe('reset in the UI to its first task: it sees what is true and carries on', () => {
  for (const state of STATES)
    test(`while ${state}`, async () => {
      const { input, release } = await inState(state)
      await reset(input)
      release()
      await comesBack(input, state)
    })
})

test('a reset run that thinks it is hibernated finds out by itself that it is not', async () => {
  const input = await t.up()
  const id = input.computeId
  await t.ask(input, 'hibernate')
  await t.ask(input, 'wake')
  const description = await t.handle(input).describe()
  await reset(input)
  expect((await t.handle(input).describe()).runId).not.toBe(description.runId)
  await expect.poll(() => t.world.called('recall', id), PATIENT).toBeGreaterThanOrEqual(1)
  await expect.poll(async () => (await t.doors.view(id))?.state, PATIENT).toBe('running')
  expect(t.world.live(id)).toBe(1)
})

test('a workflow of an older backup is told by the first newer generation it meets', async () => {
  const input = await t.up()
  const id = input.computeId
  await t.ask(input, 'hibernate')
  // Another history of the same compute went on: its row is at generation 5, and up.
  const row = t.world.row(id)
  Object.assign(row, { generation: 5, state: 'running' })
  t.world.sandboxes.set(`${id}:5`, {
    live: true,
    open: true,
    frozen: false,
    tree: ['b'],
    dirty: true,
    activeAtMs: Date.now(),
  })
  const filesystem = t.world.filesystems.get(id)
  if (filesystem) filesystem.writer = 5
  expect(await t.ask(input, 'wake')).toMatchObject({ state: 'running', generation: 5 })
  expect(t.world.files(id)).toEqual(['b'])
  expect((await t.ask(input, 'hibernate')).state).toBe('hibernated')
  expect(t.world.snapshotFiles(id)).toEqual(['b'])
})

test('operators can find it and read why it is what it is', async () => {
  const input = await t.up({ idleTimeoutMs: 60_000 })
  const description = await t.handle(input).describe()
  expect(await description.staticSummary()).toContain(input.computeId)
  await expect
    .poll(async () => {
      const found: string[] = []
      const query = `ComputeState = 'running' AND WorkflowId = '${computeWorkflowId(input.computeId)}'`
      for await (const one of t.client.workflow.list({ query })) found.push(one.workflowId)
      return found
    }, PATIENT)
    .toEqual([computeWorkflowId(input.computeId)])
  const metadata = await t
    .handle(input)
    .query<{ currentDetails?: string }>('__temporal_workflow_metadata')
  expect(metadata.currentDetails).toMatch(/\*\*running\*\* since .*, generation 1/)
  expect(metadata.currentDetails).toMatch(/why it is up: created by user:test/)
  expect(metadata.currentDetails).toMatch(/next: ask whether it is idle/)
  await t.ask(input, 'hibernate')
  await expect
    .poll(async () => (await t.handle(input).describe()).typedSearchAttributes.getAll(), PATIENT)
    .toContainEqual(expect.objectContaining({ value: 'hibernated' }))
})

const reset = async (input: ComputeInput): Promise<void> => {
  const workflowId = computeWorkflowId(input.computeId)
  const { runId } = await t.handle(input).describe()
  const firstTask = async () =>
    (await t.handle(input).fetchHistory()).events?.find(
      (event) => event.workflowTaskCompletedEventAttributes,
    )
  await expect.poll(firstTask, PATIENT).toBeDefined()
  const first = await firstTask()
  await t.client.workflowService.resetWorkflowExecution({
    namespace: t.client.options.namespace,
    workflowExecution: { workflowId, runId },
    reason: 'an operator, by hand',
    workflowTaskFinishEventId: first?.eventId ?? null,
    requestId: `${workflowId}-${Date.now()}`,
  })
}

/** A cancel that comes in the save of a drain's move; answers what lets that save go on. */
const cancelInDrain = async (input: ComputeInput): Promise<() => void> => {
  const id = input.computeId
  t.world.write(id, 'a')
  const release = t.world.hold('save', id)
  await t.doors.observed(id, { generation: 1, what: 'draining', reason: 'drain' })
  await t.until(input, 'hibernating')
  await t.handle(input).cancel()
  await new Promise((resolve) => setTimeout(resolve, 500))
  return release
}

test('cancel while a drain moves it ends asleep', async () => {
  const input = await t.up()
  const id = input.computeId
  const release = await cancelInDrain(input)
  release()
  await t.until(input, 'hibernated')
  await new Promise((resolve) => setTimeout(resolve, 1_000))
  expect(t.world.row(id)).toMatchObject({ state: 'hibernated', generation: 1 })
  expect(t.world.snapshotFiles(id)).toEqual(['a'])
  await keepHistories('cancelled-while-drained', input, await t.histories(input))
})

test('cancel while a drain moves it ends asleep, also when that save fails at first', async () => {
  const input = await t.up({ backOffMs: 500 })
  const id = input.computeId
  const release = await cancelInDrain(input)
  t.world.fail('save', 'SaveFailed', 1, id)
  release()
  await t.until(input, 'hibernated')
  await new Promise((resolve) => setTimeout(resolve, 1_000))
  expect(t.world.row(id)).toMatchObject({ state: 'hibernated', generation: 1 })
  expect(t.world.called('save', id)).toBeGreaterThan(1)
})

test('a start that was found to be over long ago leaves the next one its whole time', async () => {
  const input = await t.up({ provisionRetryForMs: 1_500 })
  const id = input.computeId
  await t.ask(input, 'hibernate')
  const up = { live: true, open: true, frozen: false, tree: [], dirty: true }
  Object.assign(t.world.row(id), { generation: 5, state: 'running' })
  t.world.sandboxes.set(`${id}:5`, { ...up, activeAtMs: Date.now() })
  const filesystem = t.world.filesystems.get(id)
  if (filesystem) filesystem.writer = 5
  expect(await t.ask(input, 'wake')).toMatchObject({ state: 'running', generation: 5 })
  await new Promise((resolve) => setTimeout(resolve, 2_000))
  t.world.kill(id)
  t.world.fail('provision', 'ProvisionFailed', 1, id)
  await t.doors.observed(id, { generation: 5, what: 'gone', reason: 'lost' })
  await expect
    .poll(() => t.world.row(id), PATIENT)
    .toMatchObject({ state: 'running', generation: 6 })
  await keepHistories('lost-after-older-backup', input, await t.histories(input))
})

test('terminated in the UI while it is deleted, then adopted: it is deleted', async () => {
  const input = await t.up()
  const id = input.computeId
  t.world.write(id, 'a')
  const release = t.world.hold('release', id)
  t.remove(input).catch(() => undefined)
  await expect.poll(() => t.world.called('release', id), PATIENT).toBe(1)
  await t.handle(input).terminate('an operator, by hand')
  expect(await t.doors.adopt(input)).toBe('adopted')
  await expect.poll(() => t.world.called('recall', id), PATIENT).toBe(1)
  release()
  await t.until(input, 'terminated')
  expect(t.world.live(id)).toBe(0)
  expect(t.world.snapshotFiles(id)).toEqual(['a'])
  await keepHistories('adopted-terminating', input, await t.histories(input))
})

test('terminated in the UI, then adopted: a lifetime that was moved ends when it was moved to', async () => {
  const input = await t.up({ maxLifetimeMs: 60_000 })
  const id = input.computeId
  const moved = async (lifetimeMs: number) => {
    const args = { cause: USER, lifetimeMs }
    return (await t.doors.command(input, 'extend', args, { waitMs: 10_000 })).result
  }
  const later = await moved(3_600_000)
  await t.handle(input).terminate('an operator, by hand')
  expect(await t.doors.adopt(input)).toBe('adopted')
  await expect
    .poll(async () => (await t.doors.view(id))?.lifetimeEndsAt, PATIENT)
    .toBe(later?.lifetimeEndsAt)
  await moved(0)
  await t.handle(input).terminate('an operator, by hand')
  expect(await t.doors.adopt(input)).toBe('adopted')
  await expect.poll(async () => (await t.doors.view(id))?.state, PATIENT).toBe('running')
  expect((await t.doors.view(id))?.lifetimeEndsAt).toBeUndefined()
  await keepHistories('adopted-extended', input, await t.histories(input))
})
