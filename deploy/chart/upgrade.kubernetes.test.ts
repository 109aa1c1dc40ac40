import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { visit } from '../../test/support/visitor.ts'
import { earlier, type Earlier } from './testing/earlier.ts'
import { openEveryState } from './testing/every-state.ts'
import { installAll, type Installation } from './testing/installation.ts'

/** From the images and the chart of an earlier commit to this one's, and back. */
describe('an installation of an earlier commit', () => {
  let from: Earlier
  let installed: Installation
  let states: Awaited<ReturnType<typeof openEveryState>>
  beforeAll(async () => {
    from = await earlier()
    const env = { DORMOUSE_PROVISION_RETRY_FOR_MS: '4000', DORMOUSE_SWEEP_EVERY_MS: '5000' }
    installed = await installAll('external', { env }, from)
    states = await openEveryState(await visit(installed))
  }, 400_000)
  afterAll(async () => {
    await installed?.end()
    await from?.end()
  })

  it('is upgraded to this one with computes in every state: terminals are back within 2 s, nothing is lost', async () => {
    const carried = await states.carry(() => installed.upgrade())
    console.log('upgrade from', from.commit.slice(0, 12), carried)
    expect(carried.away.times, 'no gateway was replaced under the terminal').toBeGreaterThan(0)
    expect(carried.away.longestMs).toBeLessThan(2_000)
    await states.holds()
  })

  it('and is rolled back, over the newer schema, with computes that this one began', async () => {
    const carried = await states.carry(() => installed.rollback())
    console.log('rollback', carried)
    expect(carried.away.times, 'no gateway was replaced under the terminal').toBeGreaterThan(0)
    expect(carried.away.longestMs).toBeLessThan(2_000)
    await states.holds()
    await states.end()
  })
})
