import { afterEach, beforeEach, describe, it } from 'vitest'
import { figure } from './figures.ts'
import { survivesDatabaseRestarts } from './promises/lifecycles.ts'
import { startOwnPostgres, type PostgresServer } from './support/postgres-server.ts'
import { startStack, type Stack } from './support/stack.ts'
import { visit, type Visitor } from './support/visitor.ts'

/** The platform's own database; Temporal keeps its data elsewhere and stays up. */
describe('a database that is restarted again and again', () => {
  let postgres: PostgresServer
  let stack: Stack
  let visitor: Visitor
  // Nothing may be left in the end: each try has a stack of its own.
  beforeEach(async () => {
    postgres = await startOwnPostgres()
    stack = await startStack({ databaseServer: postgres.url })
    visitor = await visit(stack)
  })
  afterEach(async () => {
    await stack?.stop()
    await postgres?.stop()
  })

  const lives = figure(100, 8)
  it(`R2: ${lives} lives, 4 at once, Postgres ended every 5–10 s and away for up to 2 s`, async () => {
    const result = await survivesDatabaseRestarts(stack, visitor, postgres, {
      lifecycles: lives,
      atOnce: 4,
      everyMs: [5_000, 10_000],
    })
    console.log('R2', result)
  })
})
