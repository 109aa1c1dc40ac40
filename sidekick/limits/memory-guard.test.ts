import { expect, it } from 'vitest'
import type { ProcessInfo } from '../processes.ts'
import { victimOf } from './memory-guard.ts'

const MIB = 1024 * 1024
const process = (pid: number, mib: number): ProcessInfo => ({
  ...{ pid, ppid: 1, session: 1, state: 'R', name: `p${pid}`, cpuMs: 0, startedAtTicks: 0 },
  rssBytes: mib * MIB,
})
const ALL = [process(1, 40), process(2, 300), process(3, 200)]

it('takes the largest process when together they take more than they may', () => {
  expect(victimOf(ALL, 512 * MIB, 530 * MIB)?.pid).toBe(2)
})

it('takes none while they are within the limit', () => {
  expect(victimOf(ALL, 600 * MIB, 590 * MIB)).toBeUndefined()
  expect(victimOf([], 1, MIB)).toBeUndefined()
})

it('takes none where forks only share one memory', () => {
  const forks = [1, 2, 3, 4].map((pid) => process(pid, 200))
  expect(victimOf(forks, 512 * MIB, 220 * MIB)).toBeUndefined()
})
