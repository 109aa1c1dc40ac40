import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTemporalWorld, type TemporalWorld } from '../../test/world/temporal-world.ts'
import { eventCount } from '../../test/world/histories.ts'

const USER = { reason: 'user', actor: 'user:test' } as const
let t: TemporalWorld
beforeAll(async () => {
  t = await startTemporalWorld()
}, 60_000)
afterAll(async () => {
  await t.close()
}, 30_000)

test('create, hibernate, wake and delete keep every file and leave nothing behind', async () => {
  const input = await t.up()
  const id = input.computeId
  t.world.write(id, 'a')
  const asleep = await t.doors.command(input, 'hibernate', { cause: USER }, { waitMs: 10_000 })
  expect(asleep.result?.state).toBe('hibernated')
  expect(t.world.live(id)).toBe(0)
  const awake = await t.doors.command(input, 'wake', { cause: USER }, { waitMs: 10_000 })
  expect(awake.result).toMatchObject({ state: 'running', generation: 2 })
  expect(t.world.files(id)).toEqual(['a'])
  const gone = await t.doors.command(
    input,
    'delete',
    { cause: USER, purge: false },
    { waitMs: 10_000 },
  )
  expect(gone.result?.state).toBe('terminated')
  expect(t.world.event(id, 'compute.terminated')?.detail).toEqual({ purge: false, unsaved: false })
  expect(t.world.live(id)).toBe(0)
  expect(t.world.violations).toEqual([])
  console.log('events', eventCount(await t.histories(input)))
})
