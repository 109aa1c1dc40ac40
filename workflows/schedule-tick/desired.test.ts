import { expect, test } from 'vitest'
import { checkSchedule, desiredPower } from './desired.ts'

const office = {
  timezone: 'Europe/Berlin',
  hibernate: ['0 20 * * *'],
  wake: ['0 8 * * 1-5'],
}
const at = (iso: string) => desiredPower(office, new Date(iso))

test('the latest line that has come decides', () => {
  expect(at('2026-11-20T19:00:00Z')).toBe('hibernated')
  expect(at('2026-11-20T18:59:59Z')).toBe('running')
  expect(at('2026-11-20T07:00:00Z')).toBe('running')
  expect(at('2026-11-20T06:59:00Z')).toBe('hibernated')
})

test('a weekend without a wake line stays hibernated', () => {
  expect(at('2026-11-21T12:00:00Z')).toBe('hibernated')
  expect(at('2026-11-23T07:00:30Z')).toBe('running')
})

test('a zone keeps its wall clock over the change of its offset', () => {
  expect(at('2026-07-01T18:00:00Z')).toBe('hibernated')
  expect(at('2026-07-01T17:59:00Z')).toBe('running')
})

test('on a tie it is wanted up, and without lines nothing is wanted', () => {
  const both = { timezone: 'UTC', hibernate: ['0 8 * * *'], wake: ['0 8 * * *'] }
  expect(desiredPower(both, new Date('2026-11-20T08:00:00Z'))).toBe('running')
  const none = { timezone: 'UTC', hibernate: [], wake: [] }
  expect(desiredPower(none, new Date())).toBeUndefined()
})

test('a schedule that cannot work is refused with the line that is wrong', () => {
  const wrong = (more: object) => () => checkSchedule({ ...office, ...more })
  expect(wrong({})).not.toThrow()
  expect(wrong({ wake: ['0 25 * * *'] })).toThrow(/"0 25/)
  expect(wrong({ wake: ['0 0 8 * * *'] })).toThrow(/five fields/)
  expect(wrong({ timezone: 'Mars/Olympus' })).toThrow(/Mars/)
})
