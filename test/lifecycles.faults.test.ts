import { afterAll, beforeAll, describe, it } from 'vitest'
import { survivesKillStorm } from './promises/lifecycles.ts'
import { answersLegallyUnderRaces } from './promises/commands-at-once.ts'
import { startStack, type Stack } from './support/stack.ts'
import { visit, type Visitor } from './support/visitor.ts'

describe('whole lives, at the catalogue’s figures', () => {
  let stack: Stack
  let visitor: Visitor
  beforeAll(async () => {
    stack = await startStack()
    visitor = await visit(stack)
  })
  afterAll(() => stack?.stop())

  it('R1: 100 lives, 4 at once, every service killed in turn every 5–10 s', async () => {
    const result = await survivesKillStorm(stack, visitor, {
      lifecycles: 100,
      atOnce: 4,
      kill: ['worker', 'data-worker', 'api', 'gateway'],
      everyMs: [5_000, 10_000],
    })
    console.log('R1', result)
  })

  it('R8: 50 wakes, hibernates and deletes at once in all pairs answer legally', () =>
    answersLegallyUnderRaces(visitor, 50))
})
