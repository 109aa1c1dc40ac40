import type { Db } from '../records/database.ts'
import { findCompute, transitionIn } from '../records/computes.ts'
import { releaseLease } from '../records/leases.ts'
import { recordEnded } from '../records/generations.ts'
import type { ControlActivities } from './contract.ts'
import type { Runtime } from './ports.ts'

interface StopDeps {
  readonly db: Db
  readonly runtime: Pick<Runtime, 'stop'>
}

/**
 * The sandbox first, the rows after it: a row that says a generation ended is never wrong. An older
 * generation is stopped without touching what the newer one holds.
 */
export const createStop =
  ({ db, runtime }: StopDeps): ControlActivities['stop'] =>
  async (input) => {
    const { computeId, generation } = input
    await runtime.stop({ computeId, generation }, { keepTree: input.keepTree })
    const row = await findCompute(db, computeId)
    if (row === undefined) return
    await db.transaction().execute(async (tx) => {
      await recordEnded(tx, input)
      await releaseLease(tx, { filesystemId: row.filesystem_id, computeId, generation })
      if (input.to !== null) await transitionIn(tx, { ...input, to: input.to })
    })
  }
