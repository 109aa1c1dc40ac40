import { describe, expect, it } from 'vitest'
import type { ComputeRow } from '../records/computes.ts'
import type { ComputeState } from '../workflows/compute/contract.ts'
import { foreignOrNeeded, judgeSandbox } from './orphan-sandboxes.ts'

const before = new Date('2026-01-02')
const row = (state: ComputeState, generation: number, since = '2026-01-01') =>
  ({ state, generation, state_since: new Date(since) }) as ComputeRow
const sandbox = (generation: number, running = true) => ({
  computeId: 'c',
  generation,
  groupId: 'g',
  createdAtMs: 0,
  running,
})

describe('a sandbox, by its compute’s row', () => {
  it.each([
    'running',
    'hibernating',
    'provisioning',
    'restoring',
    'waking',
    'terminating',
  ] as const)('is needed while the compute is %s in that generation', (state) =>
    expect(judgeSandbox(sandbox(3), row(state, 3), before)).toBe(foreignOrNeeded),
  )
  it.each(['hibernated', 'terminated'] as const)('goes with its tree once %s', (state) => {
    expect(judgeSandbox(sandbox(3), row(state, 3), before)).toEqual({ keepTree: false })
    expect(judgeSandbox(sandbox(3, false), row(state, 3), before)).toEqual({ keepTree: false })
  })
  it('goes without a row', () => {
    expect(judgeSandbox(sandbox(1), undefined, before)).toEqual({ keepTree: false })
  })
  it('of an older generation goes, its tree stays for the newer one', () => {
    expect(judgeSandbox(sandbox(2), row('running', 3), before)).toEqual({ keepTree: true })
    expect(judgeSandbox(sandbox(2, false), row('waking', 3), before)).toBe(foreignOrNeeded)
  })
  it('newer than its row stays: the row is what is old', () => {
    expect(judgeSandbox(sandbox(4), row('hibernated', 3), before)).toBe(foreignOrNeeded)
  })
  it('of a failed compute stops, and keeps the tree for the retry', () => {
    expect(judgeSandbox(sandbox(3), row('failed', 3), before)).toEqual({ keepTree: true })
    expect(judgeSandbox(sandbox(3, false), row('failed', 3), before)).toBe(foreignOrNeeded)
  })
  it('is left alone while its row is young', () => {
    const young = row('terminated', 3, '2026-01-03')
    expect(judgeSandbox(sandbox(3), young, before)).toBe(foreignOrNeeded)
  })
})
