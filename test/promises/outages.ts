import { afterAll, beforeAll, it } from 'vitest'
import { startCuttableProxy, type CuttableProxy } from '../support/cuttable-proxy.ts'
import { startStack, type Stack } from '../support/stack.ts'
import { startOwnTemporal, type TemporalServer } from '../support/temporal-server.ts'
import { visit, type Visitor } from '../support/visitor.ts'
import { staysUpWithoutTheStore, survivesCutUploads } from './store-outage.ts'
import { rebuildsFromRows, survivesOperators, survivesTemporalKills } from './temporal-operators.ts'

/** What holds while the store is away, Temporal is killed, and its operators do as they like. */
export const outages = (figures: {
  readonly storeAwayMs: number
  readonly cutUploads: number
  readonly temporalKills: number
}): void => {
  const { storeAwayMs, cutUploads, temporalKills } = figures
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

  it(`D7: ${storeAwayMs / 1_000} s without the store: the compute stays up, says so, and is saved after`, async () => {
    console.log('D7', await staysUpWithoutTheStore(visitor, store, storeAwayMs))
  })

  it(`D4: ${cutUploads} uploads cut at a random byte`, () =>
    survivesCutUploads(visitor, store, cutUploads))

  it('terminate, reset and cancel in the Temporal UI lose nothing', () =>
    survivesOperators(stack, visitor))

  it(`R3: ${temporalKills} kills of the Temporal server`, () =>
    survivesTemporalKills(stack, visitor, temporal, temporalKills))

  it('Temporal’s data lost whole is rebuilt from rows and sandboxes', () =>
    rebuildsFromRows(stack, visitor, temporal))
}
