import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { AlreadyRunning, lockHome, metricsTokenOf, prepareHome, secretsOf } from './home.ts'
import { markOf } from './proc.ts'

let home = ''
beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), 'dormouse-home-'))
})
afterEach(() => rmSync(home, { recursive: true, force: true }))

test('secrets are made once, for their owner alone, and stay the same', () => {
  const first = secretsOf(home)
  expect(statSync(path.join(home, 'secrets.json')).mode & 0o777).toBe(0o600)
  expect(secretsOf(home)).toEqual(first)
  expect(Buffer.from(first.sealKey, 'base64')).toHaveLength(32)
})

test('the token for metrics is made once, for its owner alone', () => {
  const first = metricsTokenOf(home)
  expect(first).toMatch(/^[0-9a-f]{48}$/)
  expect(statSync(path.join(home, 'metrics-token')).mode & 0o777).toBe(0o600)
  expect(metricsTokenOf(home)).toBe(first)
})

test('a second start on a held directory is refused with the pid of the holder', () => {
  lockHome(home)
  expect(() => lockHome(home)).toThrow(AlreadyRunning)
  expect(() => lockHome(home)).toThrow(`as process ${process.pid}`)
})

test('a released directory can be taken again', () => {
  lockHome(home)()
  expect(() => lockHome(home)).not.toThrow()
})

test('the lock of a process that is gone is taken over', async () => {
  const child = spawn('sleep', ['60'])
  const mark = markOf(child.pid ?? 0)
  writeFileSync(path.join(home, 'launcher.json'), JSON.stringify(mark))
  expect(() => lockHome(home)).toThrow(`as process ${child.pid}`)
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGKILL')
  await ended
  lockHome(home)
  expect(JSON.parse(readFileSync(path.join(home, 'launcher.json'), 'utf8'))).toEqual(
    markOf(process.pid),
  )
})

test('the lock of another process that has the same pid by now is taken over', () => {
  writeFileSync(
    path.join(home, 'launcher.json'),
    JSON.stringify({ pid: process.pid, startTicks: '1' }),
  )
  expect(() => lockHome(home)).not.toThrow()
})

test('a directory that does not exist is made', () => {
  const fresh = path.join(home, 'a/b')
  prepareHome(fresh)
  expect(existsSync(fresh)).toBe(true)
})
