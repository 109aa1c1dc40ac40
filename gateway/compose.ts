import { sql } from 'kysely'
import { createAuthenticator } from '../auth/authenticate.ts'
import { redeemDoorTicket } from '../auth/door-tickets.ts'
import { loadSigningKeys, type SigningKeys } from '../auth/keys.ts'
import { findKeyRecord, findUserPrincipal } from '../auth/principals.ts'
import type { GatewayConfig } from '../config/config.ts'
import type { Db } from '../records/database.ts'
import { readDirectory } from '../records/directory.ts'
import { stillPermitted, type Identities } from './admission.ts'
import { createConcurrency } from './concurrency.ts'
import { createDirectory } from './directory-cache.ts'
import { verifyDoorCookie } from './door-cookie.ts'
import { createGateway, type Gateway } from './gateway.ts'
import { assertSeparateSites, createHostRule } from './hosts.ts'
import { createMetrics, type Metrics } from './metrics.ts'
import { withLoopbackTwins } from './origins.ts'
import type { GatewayParts } from './parts.ts'
import { createPassages } from './passages.ts'
import { createSidekickPools } from './sidekick-dial.ts'
import { createSidekickTickets } from './sidekick-tickets.ts'
import { createWaker } from './waker.ts'

const RECHECK_MS = 2_500

/** The gateway over a database; refuses to be made with a port domain of the API's own site. */
export const composeGateway = (
  config: GatewayConfig,
  db: Db,
  log: GatewayParts['log'],
): Gateway => {
  assertSeparateSites(config.portDomain, config.apiOrigin)
  const keys = loadSigningKeys(config.signingKey)
  const directory = createDirectory((computeId) => readDirectory(db, computeId))
  const identities = databaseIdentities(db, keys)
  const metrics: Metrics = createMetrics(() => passages.sockets)
  const passages = createPassages({
    still: (grant) => stillPermitted(directory, identities, grant),
    recheckMs: RECHECK_MS,
    socketsPerUser: config.socketsPerUser,
    onEnd: metrics.end,
  })
  return createGateway({
    config,
    keys,
    identities,
    directory,
    concurrency: createConcurrency(config),
    passages,
    metrics,
    log,
    hosts: createHostRule(config),
    allowedOrigins: withLoopbackTwins([config.apiOrigin, ...config.corsOrigins]),
    pools: createSidekickPools(metrics.dial),
    tickets: createSidekickTickets(keys),
    waker: createWaker({ ...config, directory, waitMs: config.wakeWaitMs, onWake: metrics.wake }),
    ready: async () => (await sql`select 1`.execute(db)).rows.length === 1,
  })
}

const databaseIdentities = (db: Db, keys: SigningKeys): Identities => {
  const authenticator = createAuthenticator({ db, keys })
  return {
    byToken: (token) => authenticator.authenticateToken(token),
    byTicket: (token, door) => redeemDoorTicket(db, token, door),
    byDoorCookie: (cookie, host) => verifyDoorCookie(keys, cookie, host),
    async again({ userId, sessionId, keyId }) {
      if (keyId !== undefined) return (await findKeyRecord(db, keyId))?.principal
      return sessionId === undefined ? undefined : findUserPrincipal(db, { userId, sessionId })
    },
  }
}
