import { Type } from '@fastify/type-provider-typebox'
import type { Selectable } from 'kysely'
import { mintApiKey } from '../../auth/api-keys.ts'
import { authorize } from '../../auth/authorize.ts'
import type { Queryable } from '../../records/database.ts'
import { appendEvent } from '../../records/events.ts'
import { lockUser } from '../../records/user-lock.ts'
import type { ApiKeysTable } from '../../records/schema.ts'
import { DormouseError } from '../../workflows/errors.ts'
import type { App, AppDeps } from '../deps.ts'
import { caller } from '../policy.ts'
import { ById, onePage, PageOf } from '../schema.ts'
import { ApiKeyBody, ApiKeySchema, NewApiKeySchema } from './schema.ts'

export const registerApiKeys = (app: App, { db, config: { apiKeysPerUser } }: AppDeps): void => {
  const tags = ['sessions']
  const config = { policy: { access: 'person' } } as const

  app.post(
    '/auth/api-keys',
    { config, schema: { tags, body: ApiKeyBody, response: { 201: NewApiKeySchema } } },
    async (request, reply) => {
      const principal = caller(request)
      const groupId = request.body.groupId ?? principal.personalGroupId
      authorize(principal, 'group:read', { groupId })
      const key = mintApiKey()
      const { expiresIn } = request.body
      const row = await db.transaction().execute(async (tx) => {
        await checkKeys(tx, principal.userId, apiKeysPerUser)
        const inserted = await tx
          .insertInto('api_keys')
          .values({
            id: key.id,
            user_id: principal.userId,
            group_id: groupId,
            name: request.body.name,
            secret_sha256: key.secretSha256,
            expires_at: expiresIn === undefined ? null : new Date(Date.now() + expiresIn * 1000),
          })
          .returningAll()
          .executeTakeFirstOrThrow()
        await appendEvent(tx, {
          groupId,
          type: 'api_key.created',
          actor: principal.actor,
          data: { keyId: key.id, name: request.body.name },
        })
        return inserted
      })
      return reply.code(201).send({ ...apiKeyJson(row), key: key.text })
    },
  )

  app.get(
    '/auth/api-keys',
    {
      config,
      schema: { tags, response: { 200: PageOf(ApiKeySchema) } },
    },
    async (request) => {
      const rows = await db
        .selectFrom('api_keys')
        .selectAll()
        .where('user_id', '=', caller(request).userId)
        .where('revoked_at', 'is', null)
        .orderBy('created_at', 'desc')
        .execute()
      return onePage(rows.map(apiKeyJson))
    },
  )

  app.delete(
    '/auth/api-keys/:id',
    { config, schema: { tags, params: ById, response: { 204: Type.Null() } } },
    async (request, reply) => {
      const principal = caller(request)
      await db.transaction().execute(async (tx) => {
        const row = await tx
          .updateTable('api_keys')
          .set({ revoked_at: new Date() })
          .where('id', '=', request.params.id)
          .where('user_id', '=', principal.userId)
          .where('revoked_at', 'is', null)
          .returning('group_id')
          .executeTakeFirst()
        if (row === undefined) throw new DormouseError('NotFound', 'no such API key of yours')
        await appendEvent(tx, {
          groupId: row.group_id,
          type: 'api_key.revoked',
          actor: principal.actor,
          data: { keyId: request.params.id },
        })
      })
      return reply.code(204).send(null)
    },
  )
}

const checkKeys = async (tx: Queryable, userId: string, cap: number): Promise<void> => {
  await lockUser(tx, userId)
  const { count } = await tx
    .selectFrom('api_keys')
    .select((on) => on.fn.countAll<string>().as('count'))
    .where('user_id', '=', userId)
    .where('revoked_at', 'is', null)
    .where((on) => on.or([on('expires_at', 'is', null), on('expires_at', '>', new Date())]))
    .executeTakeFirstOrThrow()
  const used = Number(count)
  if (used >= cap)
    throw new DormouseError(
      'QuotaExceeded',
      `you have ${used} API keys; the cap is ${cap}. Revoke one that is not used`,
      { quota: 'api_keys', used, cap },
    )
}

const apiKeyJson = (row: Selectable<ApiKeysTable>) => ({
  id: row.id,
  name: row.name,
  groupId: row.group_id,
  createdAt: row.created_at.toISOString(),
  expiresAt: row.expires_at?.toISOString() ?? null,
  lastUsedAt: row.last_used_at?.toISOString() ?? null,
})
