import { afterEach, beforeEach, describe, it } from 'vitest'
import { survivesKillStorm } from './promises/lifecycles.ts'
import { answersLegallyUnderRaces } from './promises/commands-at-once.ts'
import { startStack, type Stack } from './support/stack.ts'
import { visit, type Visitor } from './support/visitor.ts'

describe('whole lives, at short parameters', () => {
  let stack: Stack
  let visitor: Visitor
  // Nothing may be left in the end: each try has a stack of its own.
  beforeEach(async () => {
    stack = await startStack()
    visitor = await visit(stack)
  })
  afterEach(() => stack?.stop())

  it('R8: 5 wakes, hibernates and deletes at once in all pairs answer legally', () =>
    answersLegallyUnderRaces(visitor, 5))

  it('R1: 6 lives, 3 at once, workers killed every 5–10 s', async () => {
    const result = await survivesKillStorm(stack, visitor, {
      lifecycles: 6,
      atOnce: 3,
      kill: ['worker', 'data-worker'],
      everyMs: [5_000, 10_000],
    })
    console.log('R1', result)
  })
})
