import { describe, expect, it } from 'vitest'
import { NO_HISTORY, observeCpu, type CpuHistory } from './cpu.ts'

const WINDOW = 300_000
const ROUND = 15_000

/** Runs rounds of `cpuMs(at)` for one process and gives what was busy at each. */
const rounds = (count: number, cpuMs: (atMs: number) => number | undefined) => {
  let history: CpuHistory = NO_HISTORY
  return Array.from({ length: count }, (_, round) => {
    const at = round * ROUND
    const used = cpuMs(at)
    const samples = used === undefined ? [] : [{ key: '9:1', name: '9 python', cpuMs: used }]
    const seen = observeCpu(history, samples, at, { windowMs: WINDOW })
    history = seen.history
    expect(history.rounds.length).toBeLessThanOrEqual(WINDOW / ROUND + 2)
    return seen.busy
  })
}

describe('CPU as activity', () => {
  it('is a process above 5 % of a core over the window', () => {
    expect(rounds(60, (at) => at * 0.06).at(-1)).toEqual({
      name: '9 python',
      share: expect.closeTo(0.06, 3),
    })
    expect(rounds(60, (at) => at * 0.04).every((busy) => busy === undefined)).toBe(true)
  })

  it('is not what a process used before the sidekick first looked', () => {
    expect(rounds(30, () => 9_000_000).every((busy) => busy === undefined)).toBe(true)
  })

  it('counts a young process from nothing, and ends a window after the work did', () => {
    const born = 30 * ROUND
    const seen = rounds(90, (at) => (at < born ? undefined : Math.min(20_000, at - born)))
    expect(seen[30]).toBeUndefined()
    expect(seen[33]?.share).toBeGreaterThan(0.05)
    expect(seen[50]?.share).toBeGreaterThan(0.05)
    expect(seen[60]).toBeUndefined()
  })

  it('takes another process with the same pid for another', () => {
    const first = observeCpu(NO_HISTORY, [{ key: '9:1', name: 'a', cpuMs: 1e6 }], 0, {
      windowMs: WINDOW,
    })
    const next = [{ key: '9:2', name: 'b', cpuMs: 16_000 }]
    const { busy } = observeCpu(first.history, next, ROUND, { windowMs: WINDOW })
    expect(busy?.name).toBe('b')
  })
})
