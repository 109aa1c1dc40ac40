/** Processes of a compute that were ended because its memory was used up, each told once as an event. */
import type { Target } from '../activities/contract.ts'
import type { Db, Queryable } from './database.ts'
import { appendEvent } from './events.ts'
import type { SandboxRow } from './generations.ts'

/**
 * The sidekick says how many it has ended so far (`count`) and the latest of them, oldest first. One event
 * for those that were not told before: a question that is asked again tells nothing twice.
 */
export const recordMemoryEnds = (
  db: Db,
  target: Target,
  ended: {
    readonly count: number
    readonly last: readonly { readonly name: string; readonly at: Date }[]
  },
): Promise<void> =>
  db.transaction().execute(async (tx) => {
    const sandbox = await lockSandbox(tx, target)
    if (sandbox === undefined || sandbox.memory_ends >= ended.count) return
    const news = ended.count - sandbox.memory_ends
    const named = ended.last.slice(-news)
    const at = named.at(-1)?.at ?? new Date()
    await ofSandbox(tx, sandbox).set({ memory_ends: ended.count, memory_ended_at: at }).execute()
    const process = [...new Set(named.map(({ name }) => name))].join(', ')
    await append(tx, sandbox, 'system:sidekick', {
      ...(process === '' ? {} : { process }),
      ...(news === 1 ? {} : { count: news }),
      at: at.toISOString(),
    })
  })

/** The runtime knows of the latest one only when it was. */
export const recordMemoryEnd = (db: Db, target: Target, at: Date): Promise<void> =>
  db.transaction().execute(async (tx) => {
    const sandbox = await lockSandbox(tx, target)
    if (sandbox === undefined || sandbox.memory_ended_at?.getTime() === at.getTime()) return
    await ofSandbox(tx, sandbox).set({ memory_ended_at: at }).execute()
    await append(tx, sandbox, 'system:observer', { at: at.toISOString() })
  })

const lockSandbox = (tx: Queryable, target: Target): Promise<SandboxRow | undefined> =>
  tx
    .selectFrom('sandboxes')
    .selectAll()
    .where('compute_id', '=', target.computeId)
    .where('generation', '=', target.generation)
    .forUpdate()
    .executeTakeFirst()

const ofSandbox = (tx: Queryable, sandbox: SandboxRow) =>
  tx
    .updateTable('sandboxes')
    .where('compute_id', '=', sandbox.compute_id)
    .where('generation', '=', sandbox.generation)

const append = (
  tx: Queryable,
  sandbox: SandboxRow,
  actor: string,
  data: Readonly<Record<string, unknown>>,
): Promise<void> =>
  appendEvent(tx, {
    groupId: sandbox.group_id,
    computeId: sandbox.compute_id,
    generation: sandbox.generation,
    type: 'compute.process_ended',
    reason: 'out_of_memory',
    actor,
    data,
  })
