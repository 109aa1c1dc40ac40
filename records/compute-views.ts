import type { ComputeState } from '../workflows/compute/contract.ts'
import type { ComputeRow } from './computes.ts'
import type { Queryable } from './database.ts'

/** A compute's row with what a reader wants beside it. */
export type ComputeRecord = ComputeRow & {
  readonly image_name: string
  readonly limits: string | null
  readonly memory_ended_at: Date | null
}

export const findComputeRecord = (db: Queryable, id: string): Promise<ComputeRecord | undefined> =>
  computeRecords(db).where('computes.id', '=', id).executeTakeFirst()

/** Newest first; `after` is the id of the last one of the page before. */
export const listComputeRecords = (
  db: Queryable,
  query: {
    readonly groupIds: readonly string[]
    readonly limit: number
    readonly after?: string
    readonly state?: ComputeState
    readonly name?: string
  },
): Promise<ComputeRecord[]> => {
  if (query.groupIds.length === 0) return Promise.resolve([])
  let select = computeRecords(db)
    .where('computes.group_id', 'in', [...query.groupIds])
    .orderBy('computes.created_at', 'desc')
    .orderBy('computes.id', 'desc')
    .limit(query.limit)
  if (query.state !== undefined) select = select.where('computes.state', '=', query.state)
  if (query.name !== undefined) select = select.where('computes.name', '=', query.name)
  const { after } = query
  if (after !== undefined)
    select = select.where((on) =>
      on(
        on.refTuple('computes.created_at', 'computes.id'),
        '<',
        on
          .selectFrom('computes as last')
          .select(['last.created_at', 'last.id'])
          .where('last.id', '=', after)
          .$asTuple('created_at', 'id'),
      ),
    )
  return select.execute()
}

const computeRecords = (db: Queryable) =>
  db
    .selectFrom('computes')
    .innerJoin('images', 'images.id', 'computes.image_id')
    .leftJoin('sandboxes', (join) =>
      join
        .onRef('sandboxes.compute_id', '=', 'computes.id')
        .onRef('sandboxes.generation', '=', 'computes.generation'),
    )
    .selectAll('computes')
    .select(['images.name as image_name', 'sandboxes.limits', 'sandboxes.memory_ended_at'])
