import { setTimeout as sleep } from 'node:timers/promises'
import { Type } from '@fastify/type-provider-typebox'
import type { App, AppDeps } from './deps.ts'
import { Closed } from './schema.ts'

const CHECK_WITHIN_MS = 2_000

const CheckSchema = Type.Object({ ok: Type.Boolean(), ms: Type.Integer() })
const WallSchema = Type.Object({
  part: Type.String(),
  holds: Type.Boolean(),
  reason: Type.Optional(Type.String()),
  since: Type.String({ format: 'date-time' }),
})
const ReadySchema = Type.Object({
  status: Type.Enum(['ready', 'degraded', 'unready', 'draining']),
  database: CheckSchema,
  temporal: CheckSchema,
  store: CheckSchema,
  walls: Type.Array(WallSchema),
})

export const registerHealth = (app: App, deps: AppDeps): void => {
  const config = { policy: { access: 'public' } } as const
  const tags = ['operations']

  app.get(
    '/healthz',
    {
      config,
      logLevel: 'warn',
      schema: { tags, response: { 200: Type.Object({ status: Type.String() }) } },
    },
    async () => ({ status: 'ok' }),
  )

  app.get(
    '/readyz',
    {
      config,
      logLevel: 'warn',
      schema: {
        tags,
        description:
          'For monitors: ready while the database answers and every wall around computes holds. `?strict=1`: and Temporal and the store answer. `?for=traffic`, for load balancers: whether requests may be sent here, which need only the database.',
        querystring: Closed({
          strict: Type.Optional(Type.String({ maxLength: 5 })),
          // A wall that fell stops new computes; who wants his files must still come in.
          for: Type.Optional(Type.Literal('traffic')),
        }),
        response: { 200: ReadySchema, 503: ReadySchema },
      },
    },
    async (request, reply) => {
      const [database, temporal, store, walls] = await Promise.all([
        timed(deps.checks.database),
        timed(deps.checks.temporal),
        timed(deps.checks.store),
        wallsNow(deps),
      ])
      const isWalled = request.query.for === 'traffic' || walls.every(({ holds }) => holds)
      const all = database.ok && temporal.ok && store.ok
      const status = deps.draining()
        ? ('draining' as const)
        : !database.ok || !isWalled || (request.query.strict === '1' && !all)
          ? ('unready' as const)
          : all
            ? ('ready' as const)
            : ('degraded' as const)
      const unready = status === 'unready' || status === 'draining'
      return reply.code(unready ? 503 : 200).send({ status, database, temporal, store, walls })
    },
  )
}

/** Where the database is away, that alone is said: nothing is known of the walls. */
const wallsNow = async ({ walls }: AppDeps) => {
  const all = await Promise.race([walls(), sleep(CHECK_WITHIN_MS, [])]).catch(() => [])
  return all.map((wall) => ({ ...wall, since: wall.since.toISOString() }))
}

const timed = async (check: () => Promise<unknown>): Promise<{ ok: boolean; ms: number }> => {
  const start = performance.now()
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error('no answer')), CHECK_WITHIN_MS)
  })
  const ok = await Promise.race([check(), late]).then(
    () => true,
    () => false,
  )
  clearTimeout(timer)
  return { ok, ms: Math.round(performance.now() - start) }
}
