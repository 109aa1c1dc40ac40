import { DormouseError } from '../workflows/errors.ts'
import type { Queryable } from './database.ts'

/**
 * Takes an Idempotency-Key for a new compute in the caller's transaction. Taken already by the same
 * request: the id of the compute it made. By another: IdempotencyConflict. A request that runs at
 * the same moment is waited for by the database.
 */
export const takeIdempotencyKey = async (
  tx: Queryable,
  take: {
    readonly groupId: string
    readonly principal: string
    readonly key: string
    readonly requestSha256: Buffer
    readonly computeId: string
  },
): Promise<string> => {
  const taken = await tx
    .insertInto('idempotency_keys')
    .values({
      group_id: take.groupId,
      principal: take.principal,
      key: take.key,
      request_sha256: take.requestSha256,
      compute_id: take.computeId,
    })
    .onConflict((on) => on.columns(['principal', 'key']).doNothing())
    .returning('compute_id')
    .executeTakeFirst()
  if (taken !== undefined) return taken.compute_id
  const earlier = await tx
    .selectFrom('idempotency_keys')
    .select(['compute_id', 'request_sha256'])
    .where('principal', '=', take.principal)
    .where('key', '=', take.key)
    .executeTakeFirstOrThrow()
  if (!earlier.request_sha256.equals(take.requestSha256))
    throw new DormouseError(
      'IdempotencyConflict',
      'this Idempotency-Key was used with another request; take a new key',
      { computeId: earlier.compute_id },
    )
  return earlier.compute_id
}
