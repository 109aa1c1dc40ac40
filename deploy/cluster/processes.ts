/** The cluster's processes: they outlive the command that started them, and are known by recorded marks. */
import { spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isAlive, markOf, trySignal, type ProcessMark } from '../local/proc.ts'
import type { Component } from './components.ts'
import type { Places } from './places.ts'

export const logOf = (places: Places, name: string): string => path.join(places.logs, `${name}.log`)

/** The living process that was recorded under this name. */
export const runningMark = (places: Places, name: string): ProcessMark | undefined => {
  try {
    const mark = JSON.parse(readFileSync(markFile(places, name), 'utf8')) as ProcessMark
    return isAlive(mark) ? mark : undefined
  } catch {
    return undefined
  }
}

/** Starts it unless it runs; answers whether it did. */
export const startComponent = (
  places: Places,
  component: Component,
  env: NodeJS.ProcessEnv,
): boolean => {
  if (runningMark(places, component.name) !== undefined) return false
  mkdirSync(places.logs, { recursive: true })
  mkdirSync(places.marks, { recursive: true })
  const log = openSync(logOf(places, component.name), 'a')
  const [command = '', ...args] = component.command
  const child = spawn(command, args, {
    cwd: places.state,
    env,
    stdio: ['ignore', log, log],
    detached: true,
  })
  closeSync(log)
  child.once('error', () => {}) // told by who waits for it: it never answers
  child.unref()
  const mark = child.pid === undefined ? undefined : markOf(child.pid)
  if (mark !== undefined)
    writeFileSync(markFile(places, component.name), JSON.stringify(mark), { flush: true })
  return true
}

const GONE_WITHIN_MS = 10_000

/** Kill, not ask: an API server that ends politely keeps its port for a minute. */
export const killMarked = async (places: Places, names: readonly string[]): Promise<void> => {
  const marks = names.map((name) => runningMark(places, name)).filter((mark) => mark !== undefined)
  for (const { pid } of marks) trySignal(pid, 'SIGKILL')
  const deadline = Date.now() + GONE_WITHIN_MS
  while (marks.some(isAlive) && Date.now() < deadline) await sleep(50)
  for (const name of names) rmSync(markFile(places, name), { force: true })
}

const markFile = (places: Places, name: string): string => path.join(places.marks, `${name}.json`)
