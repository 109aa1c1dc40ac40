import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { keepHistories } from '../../test/world/histories.ts'
import { startTemporalWorld, USER, type TemporalWorld } from '../../test/world/temporal-world.ts'
import type { ComputeInput } from './contract.ts'

let t: TemporalWorld
beforeAll(async () => {
  t = await startTemporalWorld({ cached: false })
}, 60_000)
afterAll(() => t.close(), 30_000)

const STEPS = [
  'write',
  'write',
  'write',
  'hibernate',
  'hibernate',
  'hibernate-by-schedule',
  'wake',
  'extend',
  'checkpoint',
  'cancel',
  'gone',
  'drain',
  'refresh',
  'terminate',
  'fail-save',
  'fail-save',
  'fail-provision',
  'fail-restore',
] as const
type Step = (typeof STEPS)[number]

const lives = Number(process.env['DORMOUSE_RANDOM_LIVES'] ?? 20)

test(`${lives} random lives: no file is lost, no generation doubled, nobody waits for ever, delete ends all`, async () => {
  const step = fc.record({
    do: fc.constantFrom(...STEPS),
    thenMs: fc.constantFrom(0, 20, 100, 400),
  })
  const sequence = fc.array(step, { minLength: 3, maxLength: 14 })
  await fc.assert(
    fc.asyncProperty(sequence, async (steps) => {
      t.world.violations.length = 0
      t.world.heal()
      const input = t.row({
        idleTimeoutMs: 1200,
        checkpointEveryMs: 700,
        backOffMs: 50,
        announceMs: [300, 100],
      })
      await t.doors.create(input, 20_000)
      const written: string[] = []
      const answers: Promise<unknown>[] = []
      for (const [index, step] of steps.entries()) {
        answers.push(take(input, step.do, `file-${index}`, written).catch(named))
        await sleep(step.thenMs)
      }
      await Promise.all(answers)
      t.world.heal()
      await expect.poll(() => up(input), { timeout: 20_000, interval: 100 }).toBe('running')
      // Polled, because the idle timer may put it to sleep between the answer and the look.
      await expect
        .poll(() => [...t.world.durable(input.computeId)].sort(), { timeout: 5000 })
        .toEqual([...written].sort())
      await keepHistories('random', input, await t.histories(input))
      expect((await t.remove(input)).state).toBe('terminated')
      expect(t.world.live(input.computeId)).toBe(0)
      expect(t.world.violations).toEqual([])
    }),
    { numRuns: lives, endOnFailure: true, verbose: 1 },
  )
}, 600_000)

const take = async (
  input: ComputeInput,
  step: Step,
  file: string,
  written: string[],
): Promise<void> => {
  const id = input.computeId
  switch (step) {
    case 'write':
      if (t.world.write(id, file)) written.push(file)
      return
    case 'hibernate':
    case 'wake':
      await t.ask(input, step)
      return
    case 'hibernate-by-schedule': {
      const cause = { reason: 'schedule', actor: 'system:schedule' } as const
      await t.doors.command(input, 'hibernate', { cause }, { waitMs: 20_000 })
      return
    }
    case 'extend': {
      const args = { cause: USER, lifetimeMs: 2_000, idleTimeoutMs: 1_000 }
      await t.doors.command(input, 'extend', args, { waitMs: 20_000 })
      return
    }
    case 'checkpoint':
      await t.doors.command(input, 'checkpoint', { cause: USER }, { waitMs: 20_000 })
      return
    case 'cancel':
      await t.handle(input).cancel()
      return
    case 'terminate':
      await t.handle(input).terminate('by hand')
      return
    case 'refresh':
      await t.handle(input).signal('refresh')
      return
    case 'gone':
      t.world.kill(id)
      await t.doors.observed(id, {
        generation: t.world.row(id).generation,
        what: 'gone',
        reason: 'lost',
      })
      return
    case 'drain':
      await t.doors.observed(id, {
        generation: t.world.row(id).generation,
        what: 'draining',
        reason: 'drain',
      })
      return
    case 'fail-save':
      return t.world.fail('save', 'SaveFailed', 2, id)
    case 'fail-provision':
      return t.world.fail('provision', 'ProvisionFailed', 2, id)
    case 'fail-restore':
      return t.world.fail('restore', 'SidekickUnreachable', 4, id)
  }
}

const up = async (input: ComputeInput): Promise<string> => {
  try {
    return (await t.ask(input, 'wake')).state
  } catch {
    // Failed, or a hibernation was under way: its own way out leads up.
    await t.ask(input, 'retry').catch(named)
    return 'not yet'
  }
}

/** Every answer is a name from the table; a bug would have none. */
const named = (error: unknown): void => {
  const { name, message } = error as Error
  expect(
    [
      'InvalidState',
      'SaveFailed',
      'SandboxGone',
      'ProvisionFailed',
      'SidekickUnreachable',
      'StoreUnavailable',
      'Unavailable',
      'WorkflowNotFoundError',
    ],
    message,
  ).toContain(name)
}
