import { Type } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import { appendEvent } from '../../records/events.ts'
import type { UpQuota } from '../../records/up-quota.ts'
import type { Cause, CommandArgs, CommandName } from '../../workflows/compute/contract.ts'
import { DormouseError } from '../../workflows/errors.ts'
import type { App, AppDeps } from '../deps.ts'
import { caller } from '../policy.ts'
import { ById, Closed, NoBody, Nullable } from '../schema.ts'
import { sendCommand } from './command.ts'
import { computeJson } from './json.ts'
import { ExtendCompute, ScheduleSchema, SettlingCompute, Wait } from './schema.ts'
import { computeOf, loadCompute, onCompute } from './subject.ts'
import { checkSchedule } from './validate.ts'

/** Everything that changes whether and how long a compute is up. */
export const registerPower = (
  app: App,
  deps: AppDeps & { readonly upQuota: Pick<UpQuota, 'takePlace'> },
): void => {
  const { db, config } = deps
  const tags = ['computes']
  const policy = onCompute(deps, 'compute:control')
  const response = { 200: SettlingCompute, 202: SettlingCompute }

  const command = async <Name extends CommandName>(
    request: FastifyRequest,
    name: Name,
    args: CommandArgs[Name],
    wait: number | undefined,
  ) => {
    const row = computeOf(request)
    if (name === 'wake' || name === 'retry') await deps.upQuota.takePlace(row)
    const { settled } = await sendCommand(deps, row, name, args, wait)
    return { ...computeJson(await loadCompute(deps, row.id), config), settled }
  }
  const byUser = (request: FastifyRequest): Cause => ({
    reason: 'user',
    actor: caller(request).actor,
  })

  for (const name of ['hibernate', 'retry'] as const)
    app.post(
      `/api/computes/:id/${name}`,
      {
        config: { policy },
        schema: {
          tags,
          params: ById,
          body: NoBody,
          querystring: Closed({ wait: Wait }),
          response,
        },
      },
      async (request, reply) => {
        const answer = await command(request, name, { cause: byUser(request) }, request.query.wait)
        return reply.code(answer.settled ? 200 : 202).send(answer)
      },
    )

  app.post(
    '/api/computes/:id/wake',
    {
      config: { policy },
      schema: {
        tags,
        params: ById,
        body: NoBody,
        querystring: Closed({
          wait: Wait,
          reason: Type.Optional(
            Type.Enum(['user', 'traffic'], {
              description: 'traffic: the gateway asks for a request with intent',
            }),
          ),
        }),
        response,
      },
    },
    async (request, reply) => {
      const cause = { ...byUser(request), reason: request.query.reason ?? 'user' }
      const answer = await command(request, 'wake', { cause }, request.query.wait)
      return reply.code(answer.settled ? 200 : 202).send(answer)
    },
  )

  app.post(
    '/api/computes/:id/extend',
    {
      config: { policy },
      schema: {
        tags,
        params: ById,
        body: ExtendCompute,
        querystring: Closed({ wait: Wait }),
        response,
      },
    },
    async (request, reply) => {
      const { lifetime, idle_timeout } = request.body
      if (lifetime === undefined && idle_timeout === undefined)
        throw new DormouseError('Invalid', 'say lifetime, idle_timeout or both', {
          field: 'lifetime',
        })
      const args = {
        cause: byUser(request),
        ...(lifetime === undefined ? {} : { lifetimeMs: lifetime * 1000 }),
        ...(idle_timeout === undefined ? {} : { idleTimeoutMs: idle_timeout * 1000 }),
      }
      const answer = await command(request, 'extend', args, request.query.wait)
      return reply.code(answer.settled ? 200 : 202).send(answer)
    },
  )

  app.put(
    '/api/computes/:id/schedule',
    {
      config: { policy },
      schema: {
        tags,
        params: ById,
        body: Closed({ schedule: Nullable(ScheduleSchema) }),
        querystring: Closed({ wait: Wait }),
        response,
      },
    },
    async (request, reply) => {
      const { schedule } = request.body
      if (schedule !== null) checkSchedule(schedule)
      const args = { cause: byUser(request), schedule }
      const answer = await command(request, 'schedule', args, request.query.wait)
      return reply.code(answer.settled ? 200 : 202).send(answer)
    },
  )

  app.delete(
    '/api/computes/:id',
    {
      config: { policy: onCompute(deps, 'compute:delete') },
      schema: {
        tags,
        summary: 'Delete from any state; asking again is fine',
        params: ById,
        querystring: Closed({
          wait: Wait,
          purge: Type.Optional(
            Type.Boolean({ description: 'Skip the trash for a filesystem made with the compute' }),
          ),
        }),
        response,
      },
    },
    async (request, reply) => {
      const row = computeOf(request)
      if (row.state === 'terminated')
        return reply.send({ ...computeJson(row, config), settled: true })
      const purge = request.query.purge ?? false
      await recordDelete(row.id, purge, caller(request).actor)
      const args = { cause: { reason: 'deleted', actor: caller(request).actor } as const, purge }
      const answer = await command(request, 'delete', args, request.query.wait).catch(
        async (error: unknown) => {
          if (!(error instanceof DormouseError) || error.name !== 'Unavailable') throw error
          // The wish stands in the row. Behind ten commands its workflow takes no more, but a signal to look
          // there; where that is lost too, the janitor sends one.
          void deps.doors.refresh(row.id).catch(() => undefined)
          return { ...computeJson(await loadCompute(deps, row.id), config), settled: false }
        },
      )
      return reply.code(answer.settled ? 200 : 202).send(answer)
    },
  )

  const recordDelete = (id: string, purge: boolean, actor: string): Promise<void> =>
    db.transaction().execute(async (tx) => {
      const row = await tx
        .updateTable('computes')
        .set({ delete_requested: JSON.stringify({ purge }) })
        .where('id', '=', id)
        .where('delete_requested', 'is', null)
        .returning(['group_id', 'generation', 'state'])
        .executeTakeFirst()
      if (row === undefined) return
      await appendEvent(tx, {
        groupId: row.group_id,
        computeId: id,
        generation: row.generation,
        type: 'compute.delete_requested',
        state: row.state,
        reason: 'deleted',
        actor,
        data: { purge },
      })
    })
}
