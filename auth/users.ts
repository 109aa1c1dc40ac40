import type { Db } from '../records/database.ts'
import { newId } from '../records/ids.ts'
import { DormouseError } from '../workflows/errors.ts'
import { hashPassword } from './passwords.ts'

/** Makes a user and the personal group that goes with every user. Errors: Invalid (email taken, password). */
export const createUser = async (
  db: Db,
  user: {
    readonly email: string
    readonly password: string
    readonly name?: string
    readonly operator?: boolean
  },
): Promise<{ userId: string; personalGroupId: string }> => {
  const email = normalizeEmail(user.email)
  const name = user.name ?? email.split('@')[0] ?? email
  const passwordHash = await hashPassword(user.password)
  return db.transaction().execute(async (tx) => {
    const userId = newId()
    const personalGroupId = newId()
    const inserted = await tx
      .insertInto('users')
      .values({
        id: userId,
        email,
        name,
        password_hash: passwordHash,
        is_operator: user.operator ?? false,
      })
      .onConflict((on) => on.column('email').doNothing())
      .returning('id')
      .executeTakeFirst()
    if (inserted === undefined)
      throw new DormouseError('Invalid', 'this email is taken', { field: 'email' })
    await tx
      .insertInto('groups')
      .values({ id: personalGroupId, name, personal_of: userId })
      .execute()
    await tx
      .insertInto('memberships')
      .values({ group_id: personalGroupId, user_id: userId, role: 'owner' })
      .execute()
    return { userId, personalGroupId }
  })
}

export const normalizeEmail = (email: string): string => email.trim().toLowerCase()
