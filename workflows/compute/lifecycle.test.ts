import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { COMMANDS, COMPUTE_STATES, type ComputeState } from './contract.ts'
import { isSettled, judge, judgeLifetime, LIFECYCLE_EVENTS, next } from './lifecycle.ts'

const PAGE = readFileSync(new URL('../../docs/lifecycle.md', import.meta.url), 'utf8')

/** The table under a heading: rows by their first cell, cells by their column's head. */
const table = (heading: string): Map<string, Record<string, string>> => {
  const section = PAGE.split(/^## /m).find((part) => part.startsWith(heading))
  const lines = (section ?? '').split('\n').filter((line) => line.startsWith('|'))
  const cells = (line: string): string[] =>
    line
      .slice(1, line.lastIndexOf('|'))
      .split('|')
      .map((cell) => cell.trim())
  const [head = [], , ...rows] = lines.map(cells)
  return new Map(
    rows.map((row) => [
      row[0] ?? '',
      Object.fromEntries(head.map((name, i) => [name, row[i] ?? ''])),
    ]),
  )
}

describe('docs/lifecycle.md and the rules say the same', () => {
  const events = table('What happens to it')
  const commands = table('What it answers')

  test('about every state', () => {
    expect([...events.keys()].sort()).toEqual([...COMPUTE_STATES].sort())
    expect([...commands.keys()].sort()).toEqual([...COMPUTE_STATES].sort())
  })

  for (const state of COMPUTE_STATES) {
    for (const event of LIFECYCLE_EVENTS)
      test(`${event} in ${state}`, () => {
        expect(next(state, event) ?? '').toBe(events.get(state)?.[event])
      })
    for (const command of COMMANDS)
      test(`${command} while ${state}`, () => {
        expect(judge(command, state).kind).toBe(commands.get(state)?.[command])
      })
  }
})

test('every refusal is a sentence', () => {
  for (const state of COMPUTE_STATES)
    for (const command of COMMANDS) {
      const verdict = judge(command, state)
      if (verdict.kind === 'refuse') expect(verdict.message).toMatch(/^The .{20,}\.$/)
    }
})

test('every state but terminated can be left, and delete is a way from each', () => {
  for (const state of COMPUTE_STATES) {
    if (state === 'terminated' || state === 'terminating') continue
    expect(next(state, 'delete'), state).toBe('terminating')
    expect(judge('delete', state).kind).toBe('serve')
  }
  expect(next('terminating', 'released')).toBe('terminated')
})

test('a lifetime can be moved only while it is up', () => {
  const movable = COMPUTE_STATES.filter((state) => judgeLifetime(state).kind === 'serve')
  expect(movable).toEqual(['running', 'hibernating'])
})

test('from every state there is a way to rest', () => {
  const reaches = (from: ComputeState): Set<ComputeState> => {
    const seen = new Set<ComputeState>([from])
    for (const state of seen)
      for (const event of LIFECYCLE_EVENTS) {
        const to = next(state, event)
        if (to !== undefined) seen.add(to)
      }
    return seen
  }
  for (const state of COMPUTE_STATES) expect([...reaches(state)].some(isSettled), state).toBe(true)
})
