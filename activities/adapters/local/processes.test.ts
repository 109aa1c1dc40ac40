import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { descendantsOf, isAlive, killAndWait, parseStat, processStat } from './processes.ts'
import { userProcesses } from './watchdog.ts'

const stat = (pid: number, parentPid: number, startTicks: number) => ({
  ...parseStat(`${pid} (x) S ${parentPid} 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 ${startTicks} 0 7`),
})

describe('processes', () => {
  it('are read also when their name holds parentheses and blanks', () => {
    const seen = parseStat(
      '42 (a ) S 9 (b) R 7 8 9 0 -1 4194304 0 0 0 0 0 0 0 0 20 0 1 0 12345 0 77 0',
    )
    expect(seen).toEqual({
      pid: 42,
      name: 'a ) S 9 (b',
      state: 'R',
      parentPid: 7,
      sessionId: 9,
      startTicks: 12_345,
      residentPages: 77,
    })
  })

  it('are the same only with the same start time', async () => {
    const child = spawn('sleep', ['30'])
    const found = await processStat(child.pid ?? 0)
    if (found === undefined) throw new Error('no such process')
    expect(await isAlive(found)).toBe(true)
    expect(await isAlive({ ...found, startTicks: found.startTicks + 1 })).toBe(false)
    await killAndWait({ ...found, startTicks: found.startTicks + 1 })
    expect(await isAlive(found)).toBe(true)
    const exited = once(child, 'exit')
    await killAndWait(found)
    await exited
    expect(await processStat(found.pid)).toBeUndefined()
  })

  it('of a sandbox are all below its first, and the sidekick is none of the user’s', () => {
    const all = [
      stat(10, 1, 1),
      stat(11, 10, 2), // sidekick
      stat(12, 11, 3),
      stat(13, 12, 4),
      stat(14, 10, 5), // its parent died
      stat(20, 1, 1),
    ]
    expect(descendantsOf(all, 10).map(({ pid }) => pid)).toEqual([11, 12, 13, 14])
    expect(userProcesses(all, 10).map(({ pid }) => pid)).toEqual([12, 13, 14])
  })
})
