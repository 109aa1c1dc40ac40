import type { Queryable } from './database.ts'

/** Puts those who count what one user has in line, until the end of the transaction. */
export const lockUser = (tx: Queryable, userId: string): Promise<unknown> =>
  tx.selectFrom('users').select('id').where('id', '=', userId).forNoKeyUpdate().execute()
