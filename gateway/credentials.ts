import type { IncomingHttpHeaders } from 'node:http'
import { parseCookie } from 'cookie'
import { decodeJwt } from 'jose'
import { bearerToken, TOKEN_HEADER } from '../auth/authenticate.ts'

/** What a request offers as proof of who asks. At most one of `token`, `ticket`, `doorCookie` decides, in this order. */
export interface Credentials {
  /** An access token or API key of ours, and the header that brought it. */
  readonly token?: { readonly value: string; readonly header: 'x-dormouse-token' | 'authorization' }
  /** Single-use ticket offered as a WebSocket subprotocol. */
  readonly ticket?: string
  readonly doorCookie?: string
  /** Any cookie at all: the sign of a browser. */
  readonly hasCookies: boolean
  /** An Authorization that is not ours: the user's application's own. */
  readonly foreignAuthorization?: string
}

const TICKET_PROTOCOL = 'ticket.'

export const readCredentials = (
  headers: IncomingHttpHeaders,
  doorCookieName: string,
): Credentials => {
  const { authorization, cookie } = headers
  const explicit = headers[TOKEN_HEADER]
  const ours = authorization !== undefined && isPlatformCredential(authorization)
  const token =
    explicit !== undefined
      ? { value: String(explicit), header: TOKEN_HEADER as 'x-dormouse-token' }
      : ours
        ? { value: bearerToken(authorization) ?? '', header: 'authorization' as const }
        : undefined
  const ticket = offeredProtocols(headers)
    .find((protocol) => protocol.startsWith(TICKET_PROTOCOL))
    ?.slice(TICKET_PROTOCOL.length)
  const doorCookie = cookie === undefined ? undefined : parseCookie(cookie)[doorCookieName]
  return {
    ...(token === undefined ? {} : { token }),
    ...(ticket === undefined ? {} : { ticket }),
    ...(doorCookie === undefined ? {} : { doorCookie }),
    hasCookies: cookie !== undefined,
    ...(authorization === undefined || ours ? {} : { foreignAuthorization: authorization }),
  }
}

export const offeredProtocols = (headers: IncomingHttpHeaders): string[] =>
  (headers['sec-websocket-protocol'] ?? '')
    .split(',')
    .map((protocol) => protocol.trim())
    .filter((protocol) => protocol !== '')

export const isTicketProtocol = (protocol: string): boolean => protocol.startsWith(TICKET_PROTOCOL)

/** Ours by its form, valid or not: an expired or mistyped token of the platform is still no business of an app. */
export const isPlatformCredential = (authorization: string): boolean => {
  const text = /^basic /i.test(authorization)
    ? Buffer.from(authorization.slice(6), 'base64').toString('latin1')
    : authorization
  return /dm[krt]_/.test(text) || text.split(/\s+/).some(isPlatformJwt)
}

const isPlatformJwt = (token: string): boolean => {
  if (token.split('.').length !== 3) return false
  try {
    return decodeJwt(token).iss === 'dormouse'
  } catch {
    return false
  }
}

const OUR_COOKIES = /^(__host-|__secure-)?dormouse/i

/** A cookie header without the platform's cookies; undefined when nothing is left. */
export const withoutOurCookies = (header: string): string | undefined => {
  const kept = header
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair !== '' && !isOurCookie(pair.split('=', 1)[0] ?? ''))
  return kept.length === 0 ? undefined : kept.join('; ')
}

export const isOurCookie = (name: string): boolean => OUR_COOKIES.test(name.trim())
