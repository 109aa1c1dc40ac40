import { sql } from 'kysely'
import { requireCompute, transition } from '../records/computes.ts'
import { appendEvent } from '../records/events.ts'
import type { ControlActivities } from './contract.ts'
import type { ControlDeps } from './control-deps.ts'

export const createRecord =
  ({ db }: Pick<ControlDeps, 'db'>): ControlActivities['record'] =>
  async (input) =>
    void (await transition(db, input))

/** An event that changes no state. What `extended` says is also kept in the row, where it is shown. */
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
