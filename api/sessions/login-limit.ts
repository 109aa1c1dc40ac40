import { normalizeIP } from '@fastify/rate-limit'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { DormouseError } from '../../workflows/errors.ts'
import type { App } from '../deps.ts'

/**
 * Counts logins by address alone, whoever they name: each costs a slow hash on purpose. Stands beside
 * the limit of one email, which the library counts for the route. IPv6 addresses count by their /64.
 */
export const loginsOfAddress = (app: App, max: number) => {
  const counted = app.createRateLimit({
    max,
    timeWindow: 60_000,
    keyGenerator: (request) => normalizeIP(request.ip, 64),
  })
  return async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const now = await counted(request)
    if (now.isAllowed || !now.isExceeded) return
    reply.header('retry-after', now.ttlInSeconds)
    throw new DormouseError(
      'RateLimited',
      `at most ${max} logins a minute from one address; wait a moment`,
    )
  }
}
