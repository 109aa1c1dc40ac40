import type { FastifyRequest } from 'fastify'
import type { GroupAction } from '../../auth/authorize.ts'
import { findComputeRecord, type ComputeRecord } from '../../records/compute-views.ts'
import { DormouseError } from '../../workflows/errors.ts'
import type { AppDeps } from '../deps.ts'
import type { Policy } from '../policy.ts'

const loaded = new WeakMap<FastifyRequest, ComputeRecord>()

/** Policy of `/api/computes/:id…`: the compute is loaded once, to authorize and to answer. */
export const onCompute = (deps: Pick<AppDeps, 'db'>, action: GroupAction): Policy => ({
  access: 'resource',
  action,
  find: async (request) => {
    const row = await loadCompute(deps, (request.params as { id: string }).id)
    loaded.set(request, row)
    return { groupId: row.group_id, ownerId: row.owner_id }
  },
})

/** The compute that `onCompute` loaded and authorized for this request. */
export const computeOf = (request: FastifyRequest): ComputeRecord => {
  const row = loaded.get(request)
  if (row === undefined) throw new Error('the route of this handler has no onCompute policy')
  return row
}

export const loadCompute = async (
  deps: Pick<AppDeps, 'db'>,
  id: string,
): Promise<ComputeRecord> => {
  const row = await findComputeRecord(deps.db, id)
  if (row === undefined) throw new DormouseError('NotFound', 'no such thing, or not yours')
  return row
}
