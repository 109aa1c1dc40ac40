import { Type } from '@fastify/type-provider-typebox'
import { computeInput } from '../../records/computes.ts'
import { listComputeRecords } from '../../records/compute-views.ts'
import type { UpQuota } from '../../records/up-quota.ts'
import { COMPUTE_STATES } from '../../workflows/compute/contract.ts'
import { DormouseError } from '../../workflows/errors.ts'
import type { App, AppDeps } from '../deps.ts'
import { caller, groupsFor } from '../policy.ts'
import { ById, Closed, Id, Page, PageOf } from '../schema.ts'
import { createGroupId, insertCompute } from './create.ts'
import { computeJson } from './json.ts'
import {
  ComputeSchema,
  CreateCompute,
  SettlingCompute,
  Wait,
  type CreateComputeBody,
} from './schema.ts'
import { computeOf, loadCompute, onCompute } from './subject.ts'

const DEFAULT_PAGE = 50
const RESTING: ReadonlySet<string> = new Set(['running', 'hibernated', 'failed', 'terminated'])

export const registerComputes = (
  app: App,
  deps: AppDeps & { readonly upQuota: Pick<UpQuota, 'check'> },
): void => {
  const { db, config } = deps
  const tags = ['computes']

  app.post(
    '/api/computes',
    {
      config: {
        policy: {
          access: 'resource',
          action: 'compute:create',
          find: (request) => ({
            groupId: createGroupId({
              principal: caller(request),
              body: request.body as CreateComputeBody,
            }),
          }),
        },
      },
      schema: {
        tags,
        summary: 'Create a compute',
        description:
          'With an Idempotency-Key the same request makes one compute, however often it is sent.',
        body: CreateCompute,
        querystring: Closed({ wait: Wait }),
        headers: Type.Object({
          'idempotency-key': Type.Optional(Type.String({ minLength: 1, maxLength: 255 })),
        }),
        response: { 201: SettlingCompute },
      },
    },
    async (request, reply) => {
      const key = request.headers['idempotency-key']
      const { computeId } = await insertCompute(deps, {
        principal: caller(request),
        body: request.body,
        ...(key === undefined ? {} : { idempotencyKey: key }),
      })
      const settled = await start(computeId, request.query.wait ?? 0, request.log)
      const compute = computeJson(await loadCompute(deps, computeId), config)
      return reply
        .code(201)
        .header('location', `/api/computes/${computeId}`)
        .send({ ...compute, settled: settled || RESTING.has(compute.state) })
    },
  )

  /** The row is the promise: when Temporal is away the janitor starts it later. */
  const start = async (
    computeId: string,
    waitS: number,
    log: { warn(fields: object, text: string): void },
  ): Promise<boolean> => {
    const row = await loadCompute(deps, computeId)
    if (row.state === 'terminated') return true
    const cause = { reason: 'created', actor: row.actor } as const
    const input = computeInput(row, deps.timings, cause, row.generation > 0)
    try {
      const { settled } = await deps.doors.create(input, waitS * 1000)
      if (row.schedule !== null && row.generation === 0)
        await deps.doors.command(
          input,
          'schedule',
          { cause, schedule: row.schedule },
          { waitMs: 0, updateId: 'first-schedule' },
        )
      return settled
    } catch (error) {
      if (!(error instanceof DormouseError) || !error.retryable) throw error
      log.warn({ err: error, computeId }, 'create was recorded, its workflow is not started yet')
      return false
    }
  }

  app.get(
    '/api/computes',
    {
      config: { policy: { access: 'listing', action: 'compute:read' } },
      schema: {
        tags,
        summary: 'List computes, newest first',
        querystring: Closed({
          ...Page,
          state: Type.Optional(Type.Enum(COMPUTE_STATES)),
          group_id: Type.Optional(Id()),
          name: Type.Optional(Type.String({ maxLength: 100 })),
        }),
        response: {
          200: PageOf(ComputeSchema),
        },
      },
    },
    async (request) => {
      const { cursor, state, group_id, name } = request.query
      const limit = request.query.limit ?? DEFAULT_PAGE
      const rows = await listComputeRecords(db, {
        groupIds: groupsFor(request, 'compute:read', group_id),
        limit: limit + 1,
        ...(cursor === undefined ? {} : { after: cursor }),
        ...(state === undefined ? {} : { state }),
        ...(name === undefined ? {} : { name }),
      })
      const page = rows.slice(0, limit)
      return {
        items: page.map((row) => computeJson(row, config)),
        next_cursor: rows.length > limit ? (page.at(-1)?.id ?? null) : null,
      }
    },
  )

  app.get(
    '/api/computes/:id',
    {
      config: { policy: onCompute(deps, 'compute:read') },
      schema: { tags, summary: 'One compute', params: ById, response: { 200: ComputeSchema } },
    },
    async (request) => computeJson(computeOf(request), config),
  )
}
