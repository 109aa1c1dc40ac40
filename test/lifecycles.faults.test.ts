import { afterAll, beforeAll, describe, it } from 'vitest'
import { figure } from './figures.ts'
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

  const lives = figure(100, 20)
  it(`R1: ${lives} lives, 4 at once, every service killed in turn every 5–10 s`, async () => {
    const result = await survivesKillStorm(stack, visitor, {
      lifecycles: lives,
      atOnce: 4,
      kill: ['worker', 'data-worker', 'api', 'gateway'],
      everyMs: [5_000, 10_000],
    })
    console.log('R1', result)
  })

  const atOnce = figure(50, 20)
  it(`R8: ${atOnce} wakes, hibernates and deletes at once in all pairs answer legally`, () =>
    answersLegallyUnderRaces(visitor, atOnce))
})
