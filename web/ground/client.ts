import { openClient, type Client } from '../../sdk/client.ts'
import { openHttp, type Auth } from '../../sdk/http.ts'
import { isProblem } from '../../sdk/problem.ts'
import type { Session } from '../../sdk/types.ts'

/**
 * The session is two HttpOnly cookies: no script of this page, or of a page that breaks into it,
 * can read a token. After a 401 the refresh cookie is tried once, by one request for all that wait.
 */
let renewing: Promise<boolean> | undefined
const cookieAuth: Auth = {
  token: async () => undefined,
  renew: () =>
    (renewing ??= openHttp(location.origin, { ...cookieAuth, renew: async () => false })
      .json<Session>('POST', '/auth/refresh', { json: {} })
      .then(
        () => true,
        (error: unknown) => {
          if (isProblem(error) && error.status === 401) for (const tell of atEnd) tell()
          return false
        },
      )
      .finally(() => (renewing = undefined))),
}

const atEnd = new Set<() => void>()
/** Calls `listener` when the session turns out to be over: expired, revoked, or left in another tab. */
export const onSessionEnd = (listener: () => void): (() => void) => {
  atEnd.add(listener)
  return () => void atEnd.delete(listener)
}

/** The page looks; what it calls at the gateway never wakes a compute. */
export const client: Client = openClient({
  apiOrigin: location.origin,
  gatewayOrigin: location.origin,
  auth: cookieAuth,
  wakes: false,
})
