import { spawn, type ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, test } from 'vitest'
import { Activity } from '../activity/activity.ts'
import { Life } from '../life.ts'
import { parseStat, type ProcessInfo } from '../processes.ts'
import { WriteGate } from '../write-gate.ts'
import { Freezer } from './freezer.ts'

const children: ChildProcess[] = []
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
})

const statOf = (pid: number): ProcessInfo | undefined =>
  parseStat(readFileSync(`/proc/${pid}/stat`, 'latin1'))

/** Asleep, or just woken by what was sent to it. */
const isRunning = (pid: number): boolean => ['R', 'S'].includes(statOf(pid)?.state ?? '')

const child = (): number => {
  const process = spawn('sleep', ['60'], { stdio: 'ignore' })
  children.push(process)
  return process.pid ?? 0
}

const opened = (list: () => readonly ProcessInfo[]) => {
  const life = new Life()
  life.claimAs({
    claimId: 'c',
    computeId: 'c0000000000000000000',
    generation: 1,
    epoch: 3,
    name: 'test',
    ticketKeys: [],
    env: {},
    caps: { maxBytes: 1, maxEntries: 1 },
  })
  life.to('open')
  const gate = new WriteGate(life)
  const freezer = new Freezer({
    life,
    gate,
    activity: new Activity(),
    processes: { list } as never,
  })
  return { life, gate, freezer }
}

test('a freeze that something holds up names it and leaves nothing stopped', async () => {
  const pid = child()
  await sleep(50)
  const stuck = { ...statOf(pid), pid: 4_194_303, name: 'stuck', state: 'D' } as ProcessInfo
  const { life, freezer } = opened(() => [statOf(pid) as ProcessInfo, stuck])
  await expect(freezer.freeze({ epoch: 3, leaseMs: 300 })).rejects.toMatchObject({
    details: { blocker: expect.stringContaining('stuck') },
  })
  expect(life.state).toBe('open')
  expect(isRunning(pid)).toBe(true)
})

test('a write of the sidekick that does not end holds a freeze up, and is named', async () => {
  const { life, gate, freezer } = opened(() => [])
  void gate.run(() => new Promise(() => {}))
  await expect(freezer.freeze({ epoch: 3, leaseMs: 200 })).rejects.toMatchObject({
    details: { blocker: expect.stringContaining('file') },
  })
  expect(life.state).toBe('open')
})

test('what is retired while frozen is never let run again', async () => {
  const pid = child()
  const { life, freezer } = opened(() => [statOf(pid) as ProcessInfo])
  expect(await freezer.freeze({ epoch: 3, leaseMs: 1_000 })).toEqual({ stopped: 1, freeze: 1 })
  life.to('retired')
  await sleep(1_500)
  expect(statOf(pid)?.state).toBe('T')
})

test('a freeze whose lease ends while it still stops processes is refused, not half done', async () => {
  const pid = child()
  const forking = { ...statOf(pid), pid: 4_194_303, name: 'forking', state: 'R' } as ProcessInfo
  const { life, freezer } = opened(() => [statOf(pid) as ProcessInfo, forking])
  const freezing = freezer.freeze({ epoch: 3, leaseMs: 5000 })
  await sleep(50)
  freezer.thaw(3)
  await expect(freezing).rejects.toThrow()
  expect(life.state).toBe('open')
  expect(isRunning(pid)).toBe(true)
})
