import { describe, expect, test } from 'vitest'
import { DEFAULT_TIMINGS, type Clock } from './contract.ts'
import { backOff, nextTimer, rearmIdle, startClock } from './timers.ts'

const MINUTE = 60_000
const NOW = 1_700_000_000_000
const ANNOUNCE = [10 * MINUTE, MINUTE]
const clock = (more: Partial<Clock>): Clock => ({ upSinceMs: NOW, announcedMs: [], ...more })

test('back-off doubles up to eight times the first wait', () => {
  expect([1, 2, 3, 4, 5, 9].map((failures) => backOff(failures, 30))).toEqual([
    30, 60, 120, 240, 240, 240,
  ])
})

test('the idle timer is armed for what is left, and is due when nothing is', () => {
  expect(rearmIdle(NOW, 30 * MINUTE, 10 * MINUTE)).toBe(NOW + 20 * MINUTE)
  expect(rearmIdle(NOW, 30 * MINUTE, 30 * MINUTE)).toBe(NOW)
  expect(rearmIdle(NOW, 30 * MINUTE, 99 * MINUTE)).toBe(NOW)
})

describe('the next timer', () => {
  test('of a new default compute is its checkpoint, then its idle check', () => {
    const started = startClock(NOW, DEFAULT_TIMINGS, DEFAULT_TIMINGS.idleTimeoutMs, false)
    expect(nextTimer(started, ANNOUNCE, NOW)).toMatchObject({
      kind: 'checkpoint',
      delayMs: 10 * MINUTE,
    })
    const { checkpointAtMs: _, ...later } = started
    expect(nextTimer(later, ANNOUNCE, NOW)).toMatchObject({ kind: 'idle', delayMs: 30 * MINUTE })
  })

  test('a tree that was kept is saved soon', () => {
    const started = startClock(NOW, DEFAULT_TIMINGS, 0, true)
    expect(nextTimer(started, ANNOUNCE, NOW)).toMatchObject({
      kind: 'checkpoint',
      delayMs: DEFAULT_TIMINGS.backOffMs,
    })
  })

  test('is none when everything is off', () => {
    const off = { ...DEFAULT_TIMINGS, checkpointEveryMs: 0 }
    expect(nextTimer(startClock(NOW, off, 0, false), ANNOUNCE, NOW)).toBeUndefined()
  })

  test('that is overdue is due now, never in the past', () => {
    const late = clock({ idleCheckAtMs: NOW - 5 })
    expect(nextTimer(late, ANNOUNCE, NOW)?.delayMs).toBe(0)
  })

  test('announces an end ten minutes before, then one minute before, then ends it', () => {
    const endsAtMs = NOW + 60 * MINUTE
    expect(nextTimer(clock({ endsAtMs }), ANNOUNCE, NOW)).toMatchObject({
      kind: 'announce',
      delayMs: 50 * MINUTE,
      announceMs: 10 * MINUTE,
    })
    const once = clock({ endsAtMs, announcedMs: [10 * MINUTE] })
    expect(nextTimer(once, ANNOUNCE, NOW + 50 * MINUTE)).toMatchObject({
      kind: 'announce',
      delayMs: 9 * MINUTE,
      announceMs: MINUTE,
    })
    const twice = clock({ endsAtMs, announcedMs: [10 * MINUTE, MINUTE] })
    expect(nextTimer(twice, ANNOUNCE, NOW + 59 * MINUTE)).toMatchObject({
      kind: 'lifetime',
      delayMs: MINUTE,
    })
  })

  test('of announcements that are overdue together makes only the nearest', () => {
    const soon = clock({ endsAtMs: NOW + MINUTE / 2 })
    expect(nextTimer(soon, ANNOUNCE, NOW)).toMatchObject({ kind: 'announce', announceMs: MINUTE })
    const told = { ...soon, announcedMs: [MINUTE] }
    expect(nextTimer(told, ANNOUNCE, NOW)?.kind).toBe('lifetime')
  })

  test('has a summary that fits the Temporal UI', () => {
    const everything = clock({
      idleCheckAtMs: NOW,
      checkpointAtMs: NOW,
      endsAtMs: NOW,
      retry: { atMs: NOW, cause: { reason: 'drain', actor: 'a' } },
    })
    const timer = nextTimer(everything, ANNOUNCE, NOW)
    expect(timer?.kind).toBe('back_off')
    expect(Buffer.byteLength(timer?.summary ?? '')).toBeLessThan(200)
  })
})
