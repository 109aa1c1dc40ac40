import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { endLeftovers, livingRecords, recordProcess } from './leftovers.ts'
import { isAlive, markOf } from './proc.ts'
import { superviseProcesses, type Processes } from './processes.ts'

// Real processes on a machine that may be busy: only a hang should count as a failure.
vi.setConfig({ testTimeout: 20_000 })
const PATIENT = { timeout: 15_000 }

let home = ''
let processes: Processes
const onCrash = vi.fn<(name: string, what: string, retryInMs: number) => void>()
const recordDir = (): string => path.join(home, 'processes')

beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), 'dormouse-processes-'))
  onCrash.mockClear()
  processes = superviseProcesses({
    logDir: path.join(home, 'logs'),
    recordDir: recordDir(),
    onCrash,
  })
})
afterEach(async () => {
  await processes.stopAll()
  rmSync(home, { recursive: true, force: true })
})

const sleeper = (name: string) => ({ name, command: 'sleep', args: ['600'], env: process.env })

test('what a process prints is in its log', async () => {
  processes.start({ name: 'talker', command: 'sh', args: ['-c', 'echo hello; sleep 60'], env: {} })
  await vi.waitFor(
    () => expect(readFileSync(path.join(home, 'logs/talker.log'), 'utf8')).toBe('hello\n'),
    PATIENT,
  )
})

test('a killed process comes back, under a new pid that is on record', async () => {
  const supervised = processes.start(sleeper('worker'))
  const first = supervised.pid() ?? 0
  process.kill(first, 'SIGKILL')
  await vi.waitFor(() => expect([undefined, first]).not.toContain(supervised.pid()), PATIENT)
  expect(onCrash).toHaveBeenCalledWith('worker', 'signal SIGKILL', 500)
  expect(livingRecords(recordDir()).map(({ mark }) => mark.pid)).toEqual([supervised.pid()])
})

test('one that ends at once is tried again less and less often', async () => {
  processes.start({ name: 'broken', command: 'false', args: [], env: process.env })
  await vi.waitFor(() => expect(onCrash).toHaveBeenCalledTimes(2), PATIENT)
  expect(onCrash.mock.calls.map(([, , retryInMs]) => retryInMs)).toEqual([500, 1000])
})

test('a program that is not there is a crash with its reason, not an exception', async () => {
  processes.start({ name: 'missing', command: '/nowhere/at-all', args: [], env: {} })
  await vi.waitFor(() => expect(onCrash).toHaveBeenCalled(), PATIENT)
  expect(onCrash.mock.calls[0]?.[1]).toContain('ENOENT')
})

test('a stopped process stays stopped and leaves no record', async () => {
  const supervised = processes.start(sleeper('worker'))
  const mark = markOf(supervised.pid() ?? 0)
  await supervised.stop()
  expect(mark !== undefined && isAlive(mark)).toBe(false)
  expect(existsSync(path.join(recordDir(), 'worker.json'))).toBe(false)
  await sleep(600)
  expect(supervised.pid()).toBeUndefined()
})

test('one that ignores the signal is killed when its time is over', async () => {
  const supervised = processes.start({
    ...sleeper('stubborn'),
    command: 'sh',
    args: ['-c', 'trap "" TERM; echo ready; while :; do sleep 0.05; done'],
    stopWithinMs: 200,
  })
  await vi.waitFor(
    () => expect(readFileSync(path.join(home, 'logs/stubborn.log'), 'utf8')).toContain('ready'),
    PATIENT,
  )
  const mark = markOf(supervised.pid() ?? 0)
  await supervised.stop()
  expect(mark !== undefined && isAlive(mark)).toBe(false)
})

test('what a killed launcher left is ended by the next one', async () => {
  const orphan = spawn('sleep', ['600'], { detached: true, stdio: 'ignore' })
  orphan.unref()
  recordProcess(recordDir(), 'worker', orphan.pid ?? 0)
  const mark = markOf(orphan.pid ?? 0)
  expect(await endLeftovers(recordDir())).toEqual(['worker'])
  expect(mark !== undefined && isAlive(mark)).toBe(false)
})

test('a process that only got the number of a recorded one is left alone', async () => {
  const other = spawn('sleep', ['600'], { stdio: 'ignore' })
  recordProcess(recordDir(), 'worker', other.pid ?? 0)
  const file = path.join(recordDir(), 'worker.json')
  const record = JSON.parse(readFileSync(file, 'utf8')) as { startTicks: string }
  writeFileSync(file, JSON.stringify({ ...record, startTicks: '1' }))
  expect(await endLeftovers(recordDir())).toEqual([])
  expect(other.exitCode).toBeNull()
  other.kill('SIGKILL')
})
