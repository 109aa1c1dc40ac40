import type { IncomingHttpHeaders } from 'node:http'
import type { Via } from './intent.ts'
import { Refusal } from './refusal.ts'

/**
 * Which pages may open sockets and send requests in a person's name. A cookie comes along whoever
 * asks, so with a cookie the Origin must be there and be the host's own; a token does not, so a
 * program needs no Origin, but one that is there must be known. Sibling computes are not known.
 */
export const checkSocketOrigin = (asked: {
  readonly headers: IncomingHttpHeaders
  readonly via: Via
  readonly hasCookies: boolean
  readonly allowed: readonly string[]
}): void => {
  const { origin } = asked.headers
  if (asked.via === 'nobody') return
  const fine =
    origin === undefined
      ? asked.via === 'token' || (asked.via === 'ticket' && !asked.hasCookies)
      : asked.allowed.includes(origin)
  if (!fine)
    throw new Refusal(
      'Forbidden',
      'Sockets are opened from the workspace page or by a program, not from this origin.',
    )
}

/**
 * A port page's own cookie counts for its own page and for following a link to it; a page of a
 * sibling compute is of the same site, so SameSite alone would let it post here, or show the page
 * in a frame and have the person click in it.
 */
export const isOwnPageRequest = (
  method: string,
  headers: IncomingHttpHeaders,
  ownOrigin: string,
): boolean => {
  const site = headers['sec-fetch-site']
  if (headers.origin !== undefined && headers.origin !== ownOrigin) return false
  if (site === undefined || site === 'same-origin' || site === 'none') return true
  const isLink =
    headers['sec-fetch-mode'] === 'navigate' && headers['sec-fetch-dest'] === 'document'
  return method === 'GET' && isLink
}

const METHODS = 'GET, HEAD, PUT, POST, PATCH, DELETE'
const REQUEST_HEADERS =
  'authorization, content-type, range, x-dormouse-token, x-dormouse-wake, x-dormouse-no-wake'

/** CORS on the gateway's own routes: the workspace page may call with a token it holds, never with cookies. */
export const corsHeaders = (
  origin: string | undefined,
  allowed: readonly string[],
): Readonly<Record<string, string>> =>
  origin === undefined || !allowed.includes(origin)
    ? { vary: 'origin' }
    : {
        vary: 'origin',
        'access-control-allow-origin': origin,
        'access-control-expose-headers': 'content-range, retry-after, etag',
      }

export const preflightHeaders: Readonly<Record<string, string>> = {
  'access-control-allow-methods': METHODS,
  'access-control-allow-headers': REQUEST_HEADERS,
  'access-control-max-age': '600',
}

/** A page on this machine goes by two names; both are the same server. */
export const withLoopbackTwins = (origins: readonly string[]): readonly string[] => [
  ...new Set(
    origins.flatMap((origin) => [
      origin,
      origin.replace('//localhost', '//127.0.0.1'),
      origin.replace('//127.0.0.1', '//localhost'),
    ]),
  ),
]
