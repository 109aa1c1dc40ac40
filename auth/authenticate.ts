import type { IncomingHttpHeaders } from 'node:http'
import { parseCookie } from 'cookie'
import type { Db } from '../records/database.ts'
import { createTokenMemory } from './access-token-memory.ts'
import { API_KEY_PREFIX, parseApiKey, sameSecret } from './api-keys.ts'
import type { SigningKeys } from './keys.ts'
import type { Principal } from './principal.ts'
import { findKeyRecord, findUserPrincipal, type KeyRecord } from './principals.ts'

export const TOKEN_HEADER = 'x-dormouse-token'

/** Host-only always; over https the `__Host-` prefix makes the browser enforce it. */
export const sessionCookieName = (origin: string): string =>
  origin.startsWith('https:') ? '__Host-dormouse_session' : 'dormouse_session'

export interface Authenticator {
  /**
   * Who asks, or undefined. `X-Dormouse-Token` decides alone when present; then
   * `Authorization: Bearer`, then the session cookie. Rejects only when the database does.
   */
  authenticate(request: { readonly headers: IncomingHttpHeaders }): Promise<Principal | undefined>
  /** The same for a bare access token or API key. */
  authenticateToken(token: string): Promise<Principal | undefined>
}

/** `origin` is the API's own, as browsers see it: it decides the cookie's name. */
export const createAuthenticator = (deps: {
  readonly db: Db
  readonly keys: SigningKeys
  readonly origin?: string
}): Authenticator => {
  const cookieNames =
    deps.origin === undefined
      ? ['__Host-dormouse_session', 'dormouse_session']
      : [sessionCookieName(deps.origin)]
  const verifyAccessToken = createTokenMemory(deps.keys)
  const noteUse = createUseNotes(deps.db)

  const authenticateToken = async (token: string): Promise<Principal | undefined> => {
    if (!token.startsWith(API_KEY_PREFIX)) {
      const claims = await verifyAccessToken(token)
      return claims === undefined ? undefined : findUserPrincipal(deps.db, claims)
    }
    const given = parseApiKey(token)
    if (given === undefined) return undefined
    const record = await findKeyRecord(deps.db, given.id)
    if (record === undefined || !sameSecret(record.secretSha256, given.secretSha256))
      return undefined
    noteUse(given.id, record)
    return record.principal
  }

  return {
    authenticateToken,
    async authenticate({ headers }) {
      const explicit = headers[TOKEN_HEADER]
      if (explicit !== undefined)
        return typeof explicit === 'string' ? authenticateToken(explicit) : undefined
      const bearer = bearerToken(headers.authorization)
      const byBearer = bearer === undefined ? undefined : await authenticateToken(bearer)
      if (byBearer !== undefined) return byBearer
      const cookies = headers.cookie === undefined ? {} : parseCookie(headers.cookie)
      const session = cookieNames.map((name) => cookies[name]).find((value) => value !== undefined)
      return session === undefined ? undefined : authenticateToken(session)
    },
  }
}

/** The token of `Authorization: Bearer …`, if that is what the header holds. */
export const bearerToken = (header: string | undefined): string | undefined =>
  /^Bearer ([A-Za-z0-9._~+/-]+=*)$/i.exec(header ?? '')?.[1]

const USE_NOTED_EVERY_MS = 60_000

const createUseNotes = (db: Db) => (id: string, record: KeyRecord) => {
  const now = new Date()
  if (record.lastUsedAt !== null && +now - +record.lastUsedAt < USE_NOTED_EVERY_MS) return
  db.updateTable('api_keys')
    .set({ last_used_at: now })
    .where('id', '=', id)
    .where((on) =>
      on.or([
        on('last_used_at', 'is', null),
        on('last_used_at', '<', new Date(+now - USE_NOTED_EVERY_MS)),
      ]),
    )
    .execute()
    // Only a note: who asked is known whether or not the time of use was written.
    .catch(() => {})
}
