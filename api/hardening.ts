import cors from '@fastify/cors'
import rateLimit, { normalizeIP } from '@fastify/rate-limit'
import type { FastifyRequest } from 'fastify'
import helmet from 'helmet'
import { newId } from '../records/ids.ts'
import type { ApiConfig } from '../config/config.ts'
import { DormouseError } from '../workflows/errors.ts'
import type { App } from './deps.ts'

/** Probes and scrapers come by address, and learn nothing there that a name would protect. */
const ANY_HOST = new Set(['/healthz', '/readyz', '/metrics'])

/** What stands before every route: names, origins, headers, limits. */
export const registerHardening = async (app: App, config: ApiConfig): Promise<void> => {
  const allowedOrigins = [config.origin, ...config.corsOrigins]
  const allowedHosts = new Set([new URL(config.origin).host, ...config.extraHosts])

  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id)
    const host = request.headers.host ?? ''
    // Against DNS rebinding: a page that made its own name point here is not served.
    if (!allowedHosts.has(host) && !isLoopback(host) && !ANY_HOST.has(pathOf(request)))
      throw new DormouseError('WrongHost', `this server is not called "${host}"`)
    const { origin } = request.headers
    const changes = !['GET', 'HEAD', 'OPTIONS'].includes(request.method)
    if (changes && origin !== undefined && !allowedOrigins.includes(origin))
      if (!isSameOrigin(origin, host))
        throw new DormouseError('Forbidden', `pages of ${origin} may not call this API`)
  })

  await app.register(cors, {
    origin: allowedOrigins,
    methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
    allowedHeaders: ['authorization', 'content-type', 'idempotency-key', 'x-dormouse-token'],
    exposedHeaders: ['x-request-id', 'retry-after'],
    strictPreflight: false,
    maxAge: 600,
  })
  const gateway = new URL(config.gatewayOrigin)
  const sockets = `${gateway.protocol === 'https:' ? 'wss' : 'ws'}://${gateway.host}`
  // Made once; @fastify/helmet would make it for every request.
  const protect = helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        'default-src': ["'self'"],
        'script-src': ["'self'"],
        // The terminal and the editor write their own style elements.
        'style-src': ["'self'", "'unsafe-inline'"],
        'img-src': ["'self'", 'data:', 'blob:'],
        'font-src': ["'self'", 'data:'],
        'worker-src': ["'self'", 'blob:'],
        'connect-src': ["'self'", gateway.origin, sockets],
        'object-src': ["'none'"],
        'base-uri': ["'none'"],
        'form-action': ["'self'"],
        'frame-ancestors': ["'none'"],
      },
    },
    hsts: config.origin.startsWith('https:') ? { maxAge: 31_536_000 } : false,
    referrerPolicy: { policy: 'no-referrer' },
    xFrameOptions: { action: 'deny' },
  })
  app.addHook('onRequest', (request, reply, next) =>
    protect(request.raw, reply.raw, (error) => next(error as Error | undefined)),
  )
  await app.register(rateLimit, {
    max: config.rateLimitPerMinute,
    timeWindow: 60_000,
    // Not by the key or login that was used: one user may have many.
    keyGenerator: (request) => request.principal?.userId ?? normalizeIP(request.ip, 64),
    allowList: (request) => ANY_HOST.has(pathOf(request)),
    errorResponseBuilder: (_request, context) =>
      new DormouseError('RateLimited', `at most ${context.max} requests a minute; wait a moment`),
  })
}

/** A caller's own id is kept when it is harmless to write into a log. */
export const requestId = (request: { headers: Record<string, unknown> }): string => {
  const given = request.headers['x-request-id']
  return typeof given === 'string' && /^[A-Za-z0-9_-]{8,64}$/.test(given) ? given : newId()
}

const pathOf = (request: FastifyRequest): string => request.url.split('?', 1)[0] ?? ''

const isLoopback = (host: string): boolean =>
  /^(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?$/.test(host)

const isSameOrigin = (origin: string, host: string): boolean =>
  URL.canParse(origin) && new URL(origin).host === host
