/** `npm run obtain`: gets every part that is not here yet, and says which binary will be used. */
import { openBoard } from './board.ts'
import { obtainBubblewrap } from './parts/bubblewrap.ts'
import { obtainPostgres } from './parts/postgres.ts'
import { obtainSeaweedfs } from './parts/seaweedfs.ts'
import { obtainTemporal } from './parts/temporal.ts'

const PARTS = {
  bubblewrap: obtainBubblewrap,
  Postgres: async () => (await obtainPostgres()).postgres,
  SeaweedFS: obtainSeaweedfs,
  Temporal: obtainTemporal,
} as const

const board = openBoard()
const results = await Promise.allSettled(
  Object.entries(PARTS).map(async ([name, obtain]) => {
    const binary = await board.during(name, obtain)
    board.note(`    ${binary}`)
  }),
)
for (const result of results) {
  if (result.status === 'fulfilled') continue
  board.note(`  ${result.reason instanceof Error ? result.reason.message : String(result.reason)}`)
  process.exitCode = 1
}
