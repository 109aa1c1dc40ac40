import { afterEach, beforeEach, describe, it } from 'vitest'
import { figure } from './figures.ts'
import { sweepsToTheBaseline } from './promises/exact-sweep.ts'
import { survivesKillStorm } from './promises/lifecycles.ts'
import { answersLegallyUnderRaces } from './promises/commands-at-once.ts'
import { startCuttableProxy, type CuttableProxy } from './support/cuttable-proxy.ts'
import { startStack, type Stack } from './support/stack.ts'
import { visit, type Visitor } from './support/visitor.ts'

describe('whole lives, at the catalogue’s figures', () => {
  let stack: Stack
  let visitor: Visitor
  // Nothing may be left in the end: each try has a stack of its own.
  beforeEach(async () => {
    stack = await startStack()
    visitor = await visit(stack)
  })
  afterEach(() => stack?.stop())

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

describe('random lives under kills and lost answers', () => {
  let database: CuttableProxy
  let store: CuttableProxy
  let stack: Stack
  let visitor: Visitor
  beforeEach(async () => {
    const through = async (address: string) => {
      const url = new URL(address)
      const proxy = await startCuttableProxy({ host: url.hostname, port: Number(url.port) })
      url.host = `127.0.0.1:${proxy.port}`
      return { proxy, url: url.href.replace(/\/$/, '') }
    }
    const [rows, objects] = [
      await through(process.env['DATABASE_URL'] ?? ''),
      await through(process.env['S3_ENDPOINT'] ?? ''),
    ]
    database = rows.proxy
    store = objects.proxy
    stack = await startStack({ databaseServer: rows.url, env: { S3_ENDPOINT: objects.url } })
    visitor = await visit(stack)
  })
  afterEach(async () => {
    await stack?.stop()
    await store?.close()
    await database?.close()
  })

  const lives = figure(500, 16)
  it(`L1: after ${lives} lives a sweep leaves exactly what was there before`, async () => {
    console.log('L1', await sweepsToTheBaseline(stack, visitor, { database, store }, lives))
  })
})
