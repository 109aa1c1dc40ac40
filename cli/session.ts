import { openClient, type Client } from '../sdk/client.ts'
import { noAuth, staticToken, type Auth } from '../sdk/http.ts'
import { isProblem } from '../sdk/problem.ts'
import type { Compute } from '../sdk/types.ts'
import { readCredentials, writeCredentials } from './credentials.ts'
import { CliError, EXIT } from './exit-codes.ts'

const DEFAULT_API_URL = 'http://127.0.0.1:8080'
const DEFAULT_GATEWAY_URL = 'http://127.0.0.1:8081'

export interface GlobalOptions {
  readonly api?: string
  readonly json?: boolean
}

export interface Session {
  readonly client: Client
  readonly auth: Auth
  /** A client whose gateway is the one the compute says it is behind. */
  clientFor(compute: Compute): Client
}

/** As whom: DORMOUSE_API_KEY, else what `dormouse login` kept. */
export const openSession = async (options: GlobalOptions): Promise<Session> => {
  const stored = await readCredentials()
  const apiOrigin = apiUrlOf(options, stored?.apiUrl)
  const gatewayOrigin = process.env['DORMOUSE_GATEWAY_URL'] ?? DEFAULT_GATEWAY_URL
  const key = process.env['DORMOUSE_API_KEY']
  const sameApi = stored !== undefined && origin(stored.apiUrl) === origin(apiOrigin)
  if (key === undefined && !sameApi)
    throw new CliError(
      EXIT.notLoggedIn,
      `You are not logged in to ${apiOrigin}.`,
      'Log in with `dormouse login`, or set DORMOUSE_API_KEY.',
    )
  const auth = key === undefined ? storedAuth(apiOrigin) : staticToken(key)
  const open = (gateway: string) => openClient({ apiOrigin, gatewayOrigin: gateway, auth })
  return {
    auth,
    client: open(gatewayOrigin),
    clientFor: (compute) =>
      open(process.env['DORMOUSE_GATEWAY_URL'] ?? new URL(compute.url).origin),
  }
}

export const apiUrlOf = (options: GlobalOptions, stored?: string): string => {
  const url = options.api ?? process.env['DORMOUSE_API_URL'] ?? stored ?? DEFAULT_API_URL
  if (!URL.canParse(url))
    throw new CliError(EXIT.usage, `"${url}" is no URL.`, 'Give one like http://127.0.0.1:8080.')
  return url
}

const origin = (url: string): string => new URL(url).origin

/** Reads the file at every use: another `dormouse` may have renewed the tokens meanwhile. */
const storedAuth = (apiOrigin: string): Auth => {
  const anonymous = openClient({ apiOrigin, gatewayOrigin: apiOrigin, auth: noAuth })
  let used: string | undefined
  let renewing: Promise<boolean> | undefined
  const renew = async (): Promise<boolean> => {
    const refused = used
    const stored = await readCredentials()
    if (stored === undefined) return false
    if (stored.accessToken !== refused) return true
    try {
      const fresh = await anonymous.refresh(stored.refreshToken)
      await writeCredentials({ ...stored, ...tokensOf(fresh) })
      return true
    } catch (error) {
      if (isProblem(error) && error.status !== 401) throw error
      return (await readCredentials())?.accessToken !== refused
    }
  }
  return {
    token: async () => (used = (await readCredentials())?.accessToken),
    // A refresh token is good once: requests refused together share one renewal.
    renew: () => (renewing ??= renew().finally(() => (renewing = undefined))),
  }
}

export const tokensOf = ({
  accessToken,
  refreshToken,
}: {
  accessToken: string
  refreshToken?: string
}) => ({ accessToken, refreshToken: refreshToken ?? '' })
