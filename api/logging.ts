import type { FastifyServerOptions } from 'fastify'
import type { App } from './deps.ts'

/** Paths of a log line that must never be written, should a future line carry them. */
const SECRET_PATHS = [
  'req.headers.authorization',
  'req.headers.cookie',
  'req.headers["x-dormouse-token"]',
  'headers.authorization',
  'headers.cookie',
  'headers["x-dormouse-token"]',
  '*.password',
  '*.accessToken',
  '*.refreshToken',
  '*.token',
  '*.ticket',
  '*.key',
  '*.env',
]

/** JSON lines with method, path, status and duration; no header, no body, no query string. */
export const loggerOptions = (level: string): FastifyServerOptions['logger'] => ({
  level,
  redact: { paths: SECRET_PATHS, censor: '[redacted]' },
  serializers: {
    req: (request) => ({
      method: request.method,
      // A query may hold a ticket.
      url: request.url.split('?', 1)[0] ?? '',
      remoteAddress: request.ip,
    }),
  },
})

/** One line for each request, when it has been answered. Fastify's own two are switched off. */
export const registerRequestLog = (app: App): void => {
  app.addHook('onResponse', async (request, reply) => {
    const responseTime = Math.round(reply.elapsedTime * 10) / 10
    request.log.info({ req: request, res: reply, responseTime }, 'answered')
  })
}
