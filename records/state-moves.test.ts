import { describe, expect, it } from 'vitest'
import { COMPUTE_STATES } from '../workflows/compute/contract.ts'
import { LIFECYCLE_EVENTS, next } from '../workflows/compute/lifecycle.ts'
import { mayFollow } from './state-moves.ts'

describe('moves of a row', () => {
  it('are all that a life may take', () => {
    const ways = COMPUTE_STATES.flatMap((from) =>
      LIFECYCLE_EVENTS.flatMap((event) => {
        const to = next(from, event)
        return to === undefined ? [] : [{ from, event, to }]
      }),
    )
    expect(ways.length).toBeGreaterThan(20)
    expect(ways.filter(({ from, to }) => !mayFollow(from, to))).toEqual([])
  })

  it.each(COMPUTE_STATES)('repeat %s, and end it from wherever it is', (state) => {
    expect(mayFollow(state, state)).toBe(true)
    expect(mayFollow(state, 'terminating')).toBe(true)
    expect(mayFollow(state, 'terminated')).toBe(true)
  })

  it.each([
    ['running', 'restoring'],
    ['hibernated', 'running'],
    ['hibernated', 'restoring'],
    ['hibernated', 'hibernating'],
    ['waking', 'hibernating'],
    ['failed', 'running'],
    ['failed', 'waking'],
    ['terminating', 'running'],
    ['terminating', 'hibernated'],
    ['terminating', 'waking'],
    ['terminating', 'provisioning'],
    ['terminating', 'failed'],
  ] as const)('never lead from %s to %s', (from, to) => {
    expect(mayFollow(from, to)).toBe(false)
  })
})
