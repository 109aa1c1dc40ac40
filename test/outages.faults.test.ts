import { afterAll, beforeAll, describe, it } from 'vitest'
import { figure } from './figures.ts'
import { staysUpWithoutTheStore, survivesCutUploads } from './promises/store-outage.ts'
import {
  rebuildsFromRows,
  survivesOperators,
  survivesTemporalKills,
} from './promises/temporal-operators.ts'
import { startCuttableProxy, type CuttableProxy } from './support/cuttable-proxy.ts'
import { startStack, type Stack } from './support/stack.ts'
import { startOwnTemporal, type TemporalServer } from './support/temporal-server.ts'
import { visit, type Visitor } from './support/visitor.ts'

describe('outages and operators, at the catalogue’s figures', () => {
  let temporal: TemporalServer
  let store: CuttableProxy
  let stack: Stack
  let visitor: Visitor
  beforeAll(async () => {
    temporal = await startOwnTemporal()
    const { hostname, port } = new URL(process.env['S3_ENDPOINT'] ?? '')
    store = await startCuttableProxy({ host: hostname, port: Number(port) })
    stack = await startStack({
      env: {
        TEMPORAL_ADDRESS: temporal.address,
        S3_ENDPOINT: `http://127.0.0.1:${store.port}`,
      },
    })
    visitor = await visit(stack)
  })
  afterAll(async () => {
    await stack?.stop()
    await store?.close()
    await temporal?.stop()
  })

  const awayMs = figure(600_000, 60_000)
  it(`D7: ${awayMs / 1000} s without the store: the compute stays up, says so, and is saved after`, async () => {
    console.log('D7', await staysUpWithoutTheStore(visitor, store, awayMs))
  })

  const cuts = figure(20, 6)
  it(`D4: ${cuts} uploads cut at a random byte`, () => survivesCutUploads(visitor, store, cuts))

  it('terminate, reset and cancel in the Temporal UI lose nothing', () =>
    survivesOperators(stack, visitor))

  const kills = figure(20, 5)
  it(`R3: ${kills} kills of the Temporal server`, () =>
    survivesTemporalKills(stack, visitor, temporal, kills))

  it('Temporal’s data lost whole is rebuilt from rows and sandboxes', () =>
    rebuildsFromRows(stack, visitor, temporal))
})
