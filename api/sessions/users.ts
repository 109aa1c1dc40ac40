import type { Static } from '@fastify/type-provider-typebox'
import type { Principal } from '../../auth/principal.ts'
import type { Queryable } from '../../records/database.ts'
import type { UserSchema } from './schema.ts'

/** The user as the page shows him, with the names of the groups the principal sees. */
export const userJson = async (
  db: Queryable,
  principal: Principal,
): Promise<Static<typeof UserSchema>> => {
  const user = await db
    .selectFrom('users')
    .select(['id', 'email', 'name'])
    .where('id', '=', principal.userId)
    .executeTakeFirstOrThrow()
  const ids = principal.groups.map(({ groupId }) => groupId)
  const names =
    ids.length === 0
      ? []
      : await db.selectFrom('groups').select(['id', 'name']).where('id', 'in', ids).execute()
  const nameOf = new Map(names.map(({ id, name }) => [id, name]))
  return {
    ...user,
    operator: principal.operator,
    personalGroupId: principal.personalGroupId,
    groups: principal.groups.map(({ groupId, role }) => ({
      id: groupId,
      name: nameOf.get(groupId) ?? groupId,
      role,
    })),
  }
}
