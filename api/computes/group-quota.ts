import type { Queryable } from '../../records/database.ts'
import { DormouseError } from '../../workflows/errors.ts'

/**
 * Errors: QuotaExceeded when the group has `cap` computes. The group's row lock puts concurrent creates
 * of one group in line, so none slips past the cap.
 */
export const checkGroupQuota = async (
  tx: Queryable,
  groupId: string,
  cap: number,
): Promise<void> => {
  await tx
    .selectFrom('groups')
    .select('id')
    .where('id', '=', groupId)
    .forNoKeyUpdate()
    .executeTakeFirst()
  const { count } = await tx
    .selectFrom('computes')
    .select((on) => on.fn.countAll<string>().as('count'))
    .where('group_id', '=', groupId)
    .where('state', '!=', 'terminated')
    .executeTakeFirstOrThrow()
  if (Number(count) >= cap)
    throw new DormouseError(
      'QuotaExceeded',
      `this group has ${count} computes; its cap is ${cap}`,
      { quota: 'computes', used: Number(count), cap },
    )
}
