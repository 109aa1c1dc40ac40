import { Type } from '@fastify/type-provider-typebox'
import type { Queryable } from '../../records/database.ts'
import { appendEvent } from '../../records/events.ts'
import { newId } from '../../records/ids.ts'
import { lockUser } from '../../records/user-lock.ts'
import { DormouseError } from '../../workflows/errors.ts'
import type { App, AppDeps } from '../deps.ts'
import { caller } from '../policy.ts'
import { Closed, Name, onePage, PageOf } from '../schema.ts'
import { RoleSchema } from './schema.ts'

const GroupSchema = Type.Object({
  id: Type.String(),
  name: Type.String(),
  role: RoleSchema,
  personal: Type.Boolean(),
})

export const registerGroups = (app: App, { db, config: { groupsPerUser } }: AppDeps): void => {
  const tags = ['groups']

  app.get(
    '/api/groups',
    {
      config: { policy: { access: 'listing', action: 'group:read' } },
      schema: { tags, response: { 200: PageOf(GroupSchema) } },
    },
    async (request) => {
      const { groups } = caller(request)
      if (groups.length === 0) return onePage([])
      const roleOf = new Map(groups.map(({ groupId, role }) => [groupId, role]))
      const rows = await db
        .selectFrom('groups')
        .selectAll()
        .where('id', 'in', [...roleOf.keys()])
        .orderBy('name')
        .execute()
      return onePage(
        rows.map((row) => ({
          id: row.id,
          name: row.name,
          role: roleOf.get(row.id) ?? ('viewer' as const),
          personal: row.personal_of !== null,
        })),
      )
    },
  )

  app.post(
    '/api/groups',
    {
      config: { policy: { access: 'person' } },
      schema: {
        tags,
        body: Closed({ name: Name }),
        response: { 201: GroupSchema },
      },
    },
    async (request, reply) => {
      const { userId, actor } = caller(request)
      const { name } = request.body
      const id = newId()
      await db.transaction().execute(async (tx) => {
        await checkGroups(tx, userId, groupsPerUser)
        await tx.insertInto('groups').values({ id, name, personal_of: null }).execute()
        await tx
          .insertInto('memberships')
          .values({ group_id: id, user_id: userId, role: 'owner' })
          .execute()
        await appendEvent(tx, { groupId: id, type: 'group.created', actor, data: { name } })
      })
      return reply.code(201).send({ id, name, role: 'owner' as const, personal: false })
    },
  )
}

/** Each group has quotas of its own. */
const checkGroups = async (tx: Queryable, userId: string, cap: number): Promise<void> => {
  await lockUser(tx, userId)
  const { count } = await tx
    .selectFrom('memberships')
    .select((on) => on.fn.countAll<string>().as('count'))
    .where('user_id', '=', userId)
    .where('role', '=', 'owner')
    .executeTakeFirstOrThrow()
  const used = Number(count)
  if (used >= cap)
    throw new DormouseError(
      'QuotaExceeded',
      `you own ${used} groups; the cap is ${cap}. Use one of them, or leave one that has another owner`,
      { quota: 'groups', used, cap },
    )
}
