import { Type } from '@fastify/type-provider-typebox'
import type { GroupAction } from '../../auth/authorize.ts'
import { normalizeEmail } from '../../auth/users.ts'
import type { Queryable } from '../../records/database.ts'
import { appendEvent } from '../../records/events.ts'
import { DormouseError } from '../../workflows/errors.ts'
import type { App, AppDeps } from '../deps.ts'
import { caller, type Policy } from '../policy.ts'
import { ById, Closed, Id, onePage, PageOf } from '../schema.ts'
import { RoleSchema } from './schema.ts'

const MemberSchema = Type.Object({
  user_id: Type.String(),
  email: Type.String(),
  name: Type.String(),
  role: RoleSchema,
})

/** Who is in a group, and as what. */
export const registerMembers = (app: App, { db }: Pick<AppDeps, 'db'>): void => {
  const tags = ['groups']

  app.get(
    '/api/groups/:id/members',
    {
      config: { policy: onGroup('group:read') },
      schema: { tags, params: ById, response: { 200: PageOf(MemberSchema) } },
    },
    async (request) =>
      onePage(
        await db
          .selectFrom('memberships')
          .innerJoin('users', 'users.id', 'memberships.user_id')
          .select(['users.id as user_id', 'users.email', 'users.name', 'memberships.role'])
          .where('memberships.group_id', '=', request.params.id)
          .orderBy('users.email')
          .execute(),
      ),
  )

  app.put(
    '/api/groups/:id/members',
    {
      config: { policy: onGroup('group:manage') },
      schema: {
        tags,
        description: 'Adds a user, or changes the role of one who is there',
        params: ById,
        body: Closed({ email: Type.String({ maxLength: 254 }), role: RoleSchema }),
        response: { 200: MemberSchema },
      },
    },
    async (request) => {
      const groupId = request.params.id
      const { role } = request.body
      return db.transaction().execute(async (tx) => {
        await lockGroup(tx, groupId)
        const user = await tx
          .selectFrom('users')
          .select(['id', 'email', 'name'])
          .where('email', '=', normalizeEmail(request.body.email))
          .where('disabled_at', 'is', null)
          .executeTakeFirst()
        if (user === undefined)
          throw new DormouseError('NotFound', 'no user has this email', { field: 'email' })
        await tx
          .insertInto('memberships')
          .values({ group_id: groupId, user_id: user.id, role })
          .onConflict((on) => on.columns(['group_id', 'user_id']).doUpdateSet({ role }))
          .execute()
        await refuseWithoutOwner(tx, groupId)
        await appendEvent(tx, {
          groupId,
          type: 'group.member_set',
          actor: caller(request).actor,
          data: { userId: user.id, role },
        })
        return { user_id: user.id, email: user.email, name: user.name, role }
      })
    },
  )

  app.delete(
    '/api/groups/:id/members/:user_id',
    {
      config: { policy: onGroup('group:manage') },
      schema: {
        tags,
        params: Closed({ id: Id(), user_id: Id() }),
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      const { id: groupId, user_id: userId } = request.params
      await db.transaction().execute(async (tx) => {
        await lockGroup(tx, groupId)
        await tx
          .deleteFrom('memberships')
          .where('group_id', '=', groupId)
          .where('user_id', '=', userId)
          .execute()
        await refuseWithoutOwner(tx, groupId)
        await appendEvent(tx, {
          groupId,
          type: 'group.member_removed',
          actor: caller(request).actor,
          data: { userId },
        })
      })
      return reply.code(204).send(null)
    },
  )
}

const onGroup = (action: GroupAction): Policy => ({
  access: 'resource',
  action,
  find: (request) => ({ groupId: (request.params as { id: string }).id }),
})

/** Two owners who remove each other at once must not both succeed. */
const lockGroup = (tx: Queryable, groupId: string): Promise<unknown> =>
  tx.selectFrom('groups').select('id').where('id', '=', groupId).forNoKeyUpdate().execute()

/** A group keeps an owner, and a personal group keeps its person as one. */
const refuseWithoutOwner = async (tx: Queryable, groupId: string): Promise<void> => {
  const { personal_of: person } = await tx
    .selectFrom('groups')
    .select('personal_of')
    .where('id', '=', groupId)
    .executeTakeFirstOrThrow()
  const owners = await tx
    .selectFrom('memberships')
    .select('user_id')
    .where('group_id', '=', groupId)
    .where('role', '=', 'owner')
    .execute()
  if (!owners.some(({ user_id }) => person === null || user_id === person))
    throw new DormouseError('InvalidState', 'this would leave the group without its owner')
}
