import { expect, it } from 'vitest'
import type { ProcessInfo } from '../processes.ts'
import type { ActivityStatus } from '../protocol.ts'
import { StartedSidekick } from '../testing/sidekick.ts'
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

it('says what it ended to whoever asks later', async () => {
  const sidekick = await StartedSidekick.open({ args: ['--memory-bytes', String(150 * MIB)] })
  try {
    const ended = async () => (await sidekick.ask('/v1/activity')).json<ActivityStatus>()
    expect((await ended()).endedForMemory).toEqual({ count: 0, last: [] })
    await sidekick.post('/v1/exec', {
      command: 'head -c 700m /dev/zero | tail -c 700m >/dev/null',
    })
    const { endedForMemory } = await ended()
    expect(endedForMemory).toMatchObject({ count: 1, last: [{ name: 'tail' }] })
    expect(endedForMemory?.last[0]?.agoMs).toBeLessThan(60_000)
  } finally {
    await sidekick.stop()
  }
})
