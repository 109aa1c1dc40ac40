import type { FastifyServerOptions } from 'fastify'

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
