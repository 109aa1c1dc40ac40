import { timingSafeEqual } from 'node:crypto'
import { Gauge, Histogram } from 'prom-client'
import { bearerToken } from '../auth/authenticate.ts'
import { DormouseError } from '../workflows/errors.ts'
import type { App, AppDeps } from './deps.ts'

const COUNTED_EVERY_MS = 5_000

/** Request durations by route, computes by group and state, walls. For the scraper's token, or this machine. */
export const registerMetrics = (app: App, { db, metrics, config, walls }: AppDeps): void => {
  const durations = new Histogram({
    name: 'dormouse_http_request_duration_seconds',
    help: 'Requests by route, method and status',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60],
    registers: [metrics],
  })
  app.addHook('onResponse', async (request, reply) => {
    durations.observe(
      {
        method: request.method,
        route: request.routeOptions.url ?? 'none',
        status: reply.statusCode,
      },
      reply.elapsedTime / 1000,
    )
  })

  let countedAt = 0
  const computes: Gauge = new Gauge({
    name: 'dormouse_computes',
    help: 'Computes that are not terminated, by group and state',
    labelNames: ['group', 'state'],
    registers: [metrics],
    async collect() {
      if (Date.now() - countedAt < COUNTED_EVERY_MS) return
      countedAt = Date.now()
      const rows = await db
        .selectFrom('computes')
        .select(['group_id', 'state'])
        .select((on) => on.fn.countAll<string>().as('count'))
        .where('state', '!=', 'terminated')
        .groupBy(['group_id', 'state'])
        .execute()
        .catch(() => undefined)
      if (rows === undefined) return
      computes.reset()
      for (const row of rows)
        computes.set({ group: row.group_id, state: row.state }, Number(row.count))
    },
  })

  new Gauge({
    name: 'dormouse_wall_holds',
    help: '1: this wall around computes holds; 0: it does not, see /readyz',
    labelNames: ['part'],
    registers: [metrics],
    async collect() {
      const all = await walls().catch(() => undefined)
      if (all === undefined) return
      this.reset()
      for (const { part, holds } of all) this.set({ part }, holds ? 1 : 0)
    },
  })

  app.get(
    '/metrics',
    { config: { policy: { access: 'public' } }, logLevel: 'warn', schema: { hide: true } },
    async (request, reply) => {
      const allowed =
        config.metricsToken === undefined
          ? isThisMachine(request.socket.remoteAddress) &&
            request.headers['x-forwarded-for'] === undefined
          : isSame(bearerToken(request.headers.authorization), config.metricsToken)
      if (!allowed)
        throw new DormouseError('Forbidden', 'metrics are for the holder of DORMOUSE_METRICS_TOKEN')
      return reply.type(metrics.contentType).send(await metrics.metrics())
    },
  )
}

const isThisMachine = (address: string | undefined): boolean =>
  /^(127\.|::1$|::ffff:127\.)/.test(address ?? '')

const isSame = (given: string | undefined, wanted: string): boolean => {
  const [a, b] = [Buffer.from(given ?? ''), Buffer.from(wanted)]
  return a.length === b.length && timingSafeEqual(a, b)
}
