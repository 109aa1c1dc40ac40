import { sql } from 'kysely'
import { requireCompute, transition, type ComputeRow } from '../records/computes.ts'
import type { Db } from '../records/database.ts'
import { appendEvent } from '../records/events.ts'
import { findFilesystem } from '../records/filesystems.ts'
import { failPendingImage } from '../records/images.ts'
import { endsWithCompute } from '../records/trash.ts'
import type { ControlActivities } from './contract.ts'
import type { ControlDeps } from './control-deps.ts'

export const createRecord =
  ({ db }: Pick<ControlDeps, 'db'>): ControlActivities['record'] =>
  async (input) => {
    const row = await transition(db, input)
    return { disposable: input.to === 'terminating' && (await isDisposable(db, row)) }
  }

/** To be purged with its filesystem, which no other compute stands on. */
const isDisposable = async (db: Db, row: ComputeRow): Promise<boolean> => {
  if (row.delete_requested?.purge !== true) return false
  const filesystem = await findFilesystem(db, row.filesystem_id)
  return filesystem !== undefined && endsWithCompute(db, filesystem, row.id)
}

/**
 * An event that changes no state. What `extended` says is also kept in the row, where it is shown, and
 * what `commit_failed` says in that of the image, which nothing will fill any more.
 */
export const createNote =
  ({ db }: Pick<ControlDeps, 'db'>): ControlActivities['note'] =>
  async ({ computeId, generation, type, cause, detail }) => {
    const row = await requireCompute(db, computeId)
    await db.transaction().execute(async (tx) => {
      if (type === 'extended') {
        const { idleTimeoutMs, lifetimeEndsAt } = detail
        await tx
          .updateTable('computes')
          .set({
            ...(typeof idleTimeoutMs === 'number' ? { idle_timeout_ms: idleTimeoutMs } : {}),
            ...(lifetimeEndsAt === undefined
              ? {}
              : { lifetime_ends_at: sql<Date | null>`${lifetimeEndsAt}::timestamptz` }),
            name: sql<string>`name`,
          })
          .where('id', '=', computeId)
          .execute()
      }
      if (type === 'commit_failed')
        await failPendingImage(tx, String(detail['imageId']), detail['problem'])
      await appendEvent(tx, {
        groupId: row.group_id,
        computeId,
        generation,
        type: `compute.${type}`,
        reason: cause.reason,
        actor: cause.actor,
        data: detail,
      })
    })
  }
