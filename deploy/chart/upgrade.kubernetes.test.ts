import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { visit } from '../../test/support/visitor.ts'
import { earlier, type Earlier } from './testing/earlier.ts'
import { openEveryState, type Carried } from './testing/every-state.ts'
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

  const isSoonBack = ({ away }: Carried): void => {
    expect(away.times, 'no gateway was replaced under the terminal').toBeGreaterThan(0)
    expect(away.longestMs).toBeLessThan(2_000)
  }

  it('is upgraded to this one with computes in every state: terminals are back within 2 s, nothing is lost', async () => {
    const carried = await states.carry(() => installed.upgrade())
    console.log('upgrade from', from.name, carried)
    await states.holds()
    isSoonBack(carried)
  })

  it('and is rolled back, over the newer schema, with computes that this one began', async () => {
    await migrateFurther(installed.installation)
    const carried = await states.carry(() => installed.rollback())
    console.log('rollback', carried)
    await states.holds()
    await states.end()
    isSoonBack(carried)
  })
})

/** Whatever the two commits are: the older services meet a schema with more than they know. */
const migrateFurther = async (database: string): Promise<void> => {
  const url = new URL(process.env['DATABASE_URL'] ?? '')
  url.pathname = `/${database}`
  const client = new pg.Client({ connectionString: url.toString() })
  await client.connect()
  try {
    await client.query("insert into kysely_migration values ('9999-later', now()::text)")
    await client.query("alter table computes add column later text not null default 'yes'")
  } finally {
    await client.end()
  }
}
