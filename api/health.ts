import { Type } from '@fastify/type-provider-typebox'
import type { App, AppDeps } from './deps.ts'
import { Closed } from './schema.ts'

const CHECK_WITHIN_MS = 2_000

const CheckSchema = Type.Object({ ok: Type.Boolean(), ms: Type.Integer() })
const ReadySchema = Type.Object({
  status: Type.Enum(['ready', 'degraded', 'unready', 'draining']),
  database: CheckSchema,
  temporal: CheckSchema,
  store: CheckSchema,
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
          'Ready while the database answers: reads need nothing else. `?strict=1`: every part.',
        querystring: Closed({ strict: Type.Optional(Type.String({ maxLength: 5 })) }),
        response: { 200: ReadySchema, 503: ReadySchema },
      },
    },
    async (request, reply) => {
      const [database, temporal, store] = await Promise.all([
        timed(deps.checks.database),
        timed(deps.checks.temporal),
        timed(deps.checks.store),
      ])
      const all = database.ok && temporal.ok && store.ok
      const status = deps.draining()
        ? ('draining' as const)
        : !database.ok || (request.query.strict === '1' && !all)
          ? ('unready' as const)
          : all
            ? ('ready' as const)
            : ('degraded' as const)
      const unready = status === 'unready' || status === 'draining'
      return reply.code(unready ? 503 : 200).send({ status, database, temporal, store })
    },
  )
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
