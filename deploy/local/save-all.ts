/** Saves every running compute before the stack stops: what is on disk only is one disk away from lost. */
import { timings } from '../../config/config.ts'
import { computeInput } from '../../records/computes.ts'
import { openDatabase } from '../../records/database.ts'
import { connectClient } from '../../temporal/connection.ts'
import { computeDoors } from '../../temporal/doors.ts'
import { taskQueues } from '../../temporal/task-queues.ts'
import type { Cause } from '../../workflows/compute/contract.ts'

export interface SaveReport {
  readonly saved: number
  /** Computes that were not saved, and why. They go on living and are adopted at the next start. */
  readonly unsaved: readonly { readonly computeId: string; readonly why: string }[]
}

const AT_ONCE = 4

const CAUSE: Cause = { reason: 'drain', actor: 'system:stop' }

/** Asks each running compute for a checkpoint; ends within `withinMs`, whatever is left by then. */
export const saveAll = async (options: {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly databaseUrl: string
  readonly withinMs: number
  readonly onProgress: (done: number, total: number) => void
}): Promise<SaveReport> => {
  const deadline = Date.now() + options.withinMs
  const db = openDatabase(options.databaseUrl, 1)
  const temporal = await connectClient(options.env)
  const doors = computeDoors(temporal.client, taskQueues(options.env).control)
  try {
    const queue = await db
      .selectFrom('computes')
      .selectAll()
      .where('state', '=', 'running')
      .execute()
    const total = queue.length
    const unsaved: { computeId: string; why: string }[] = []
    let done = 0
    const saveNext = async (): Promise<void> => {
      for (let row = queue.shift(); row !== undefined; row = queue.shift()) {
        const computeId = row.id
        const input = computeInput(row, timings(options.env), CAUSE, true)
        const waitMs = deadline - Date.now()
        const why = await (waitMs <= 0
          ? Promise.resolve('no time left')
          : doors.command(input, 'checkpoint', { cause: CAUSE }, { waitMs }).then(
              ({ settled }) => (settled ? undefined : 'it took too long'),
              (error: Error) => error.message,
            ))
        if (why !== undefined) unsaved.push({ computeId, why })
        options.onProgress(++done, total)
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, saveNext))
    return { saved: total - unsaved.length, unsaved }
  } finally {
    await temporal.close()
    await db.destroy()
  }
}
