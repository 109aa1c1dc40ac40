import { Type } from '@fastify/type-provider-typebox'
import { normalizeEmail } from '../../auth/users.ts'
import { appendEvent } from '../../records/events.ts'
import { newId } from '../../records/ids.ts'
import { lockUser } from '../../records/user-lock.ts'
import { DormouseError } from '../../workflows/errors.ts'
import type { GroupAction } from '../../auth/authorize.ts'
import type { App, AppDeps } from '../deps.ts'
import { caller, type Policy } from '../policy.ts'
import { ById, Closed, Id, Name, onePage, PageOf } from '../schema.ts'

const RoleSchema = Type.Enum(['owner', 'member', 'viewer'])
const GroupSchema = Type.Object({
  id: Type.String(),
  name: Type.String(),
  role: RoleSchema,
  personal: Type.Boolean(),
})
const MemberSchema = Type.Object({
  user_id: Type.String(),
  email: Type.String(),
  name: Type.String(),
  role: RoleSchema,
})

export const registerGroups = (app: App, { db, config: { groupsPerUser } }: AppDeps): void => {
  const tags = ['groups']
  const onGroup = (action: GroupAction): Policy => ({
    access: 'resource',
    action,
    find: (request) => ({ groupId: (request.params as { id: string }).id }),
  })

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

/** Each group has quotas of its own. */
const checkGroups = async (tx: Tx, userId: string, cap: number): Promise<void> => {
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

type Tx = Parameters<Parameters<ReturnType<AppDeps['db']['transaction']>['execute']>[0]>[0]

/** Two owners who remove each other at once must not both succeed. */
const lockGroup = (tx: Tx, groupId: string): Promise<unknown> =>
  tx.selectFrom('groups').select('id').where('id', '=', groupId).forNoKeyUpdate().execute()

/** A group keeps an owner, and a personal group keeps its person as one. */
const refuseWithoutOwner = async (tx: Tx, groupId: string): Promise<void> => {
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
