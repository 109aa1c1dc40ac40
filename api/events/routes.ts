import type { FastifyReply, FastifyRequest } from 'fastify'
import { canSee } from '../../auth/authorize.ts'
import { readEvents } from '../../records/events.ts'
import { computeOf, onCompute } from '../computes/subject.ts'
import type { App, AppDeps } from '../deps.ts'
import { groupsFor } from '../policy.ts'
import { ById, PageOf } from '../schema.ts'
import { EventSchema, EventsHeaders, EventsQuery } from './schema.ts'
import { createStreams } from './stream.ts'

const DEFAULT_PAGE = 100

/** What happened, as pages or live: `Accept: text/event-stream`, resumed by Last-Event-ID. */
export const registerEvents = (app: App, deps: AppDeps): void => {
  const streams = createStreams(deps)
  app.addHook('preClose', async () => streams.endAll())
  const schema = {
    tags: ['events'],
    description:
      'JSON, oldest first, or with `Accept: text/event-stream` a stream that goes on; `after` or ' +
      '`Last-Event-ID` is the cursor of the last event seen.',
    querystring: EventsQuery,
    headers: EventsHeaders,
    response: { 200: PageOf(EventSchema) },
  }

  app.get(
    '/api/events',
    { config: { policy: { access: 'listing', action: 'compute:read' } }, schema },
    (request, reply) =>
      answer(request, reply, request, groupsFor(request, 'compute:read'), undefined),
  )

  app.get(
    '/api/computes/:id/events',
    {
      config: { policy: onCompute(deps, 'compute:read') },
      schema: { ...schema, params: ById },
    },
    (request, reply) => {
      const compute = computeOf(request)
      return answer(request, reply, request, [compute.group_id], compute.id)
    },
  )

  const answer = async (
    request: FastifyRequest,
    reply: FastifyReply,
    asked: {
      query: { after?: string; cursor?: string; limit?: number; tail?: number }
      headers: { 'last-event-id'?: string }
    },
    groupIds: readonly string[],
    computeId: string | undefined,
  ) => {
    const after = asked.headers['last-event-id'] ?? asked.query.after ?? asked.query.cursor
    const place = {
      ...(computeId === undefined ? {} : { computeId }),
      ...(after === undefined ? {} : { after }),
    }
    if (request.headers.accept?.includes('text/event-stream'))
      return streams.follow(request, reply, {
        ...place,
        groupIds: () => stillAllowed(request, groupIds, computeId !== undefined),
      })
    const { tail } = asked.query
    const limit = tail ?? asked.query.limit ?? DEFAULT_PAGE
    const newest = tail !== undefined
    const events = await readEvents(deps.db, { ...place, groupIds, limit, newest })
    return { items: [...events], next_cursor: events.at(-1)?.cursor ?? null }
  }

  /** A stream outlives its request's check: what was revoked meanwhile ends it. */
  const stillAllowed = async (
    request: FastifyRequest,
    groupIds: readonly string[],
    all: boolean,
  ): Promise<readonly string[] | undefined> => {
    const principal = await deps.authenticator.authenticate(request)
    if (principal === undefined) return undefined
    const seen = groupIds.filter((groupId) => canSee(principal, groupId))
    return all && seen.length === 0 ? undefined : seen
  }
}
