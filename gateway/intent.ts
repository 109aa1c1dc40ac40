import type { IncomingHttpHeaders } from 'node:http'
import type { Route } from './routes.ts'

/** How a caller proved who it is. */
export type Via = 'token' | 'ticket' | 'cookie' | 'nobody'

export interface Asked {
  readonly method: string
  readonly headers: IncomingHttpHeaders
  readonly upgrade: boolean
  readonly route: Route
  readonly via: Via
}

/**
 * Whether a request may wake what sleeps (rule 9): an explicit wake, a page navigation, or a
 * program's call. Never: anybody unknown, a browser's socket or background fetch, a reconnect
 * attempt, a prefetch, or a caller that asked not to. docs/gateway.md has the table.
 */
export const wantsAwake = ({ method, headers, upgrade, route, via }: Asked): boolean => {
  if (via === 'nobody') return false
  if (route.flags.reconnect || headers['x-dormouse-no-wake'] !== undefined) return false
  if (isPrefetch(headers)) return false
  if (upgrade && (via !== 'token' || headers.origin !== undefined)) return false
  if (via === 'token' && (route.flags.wake || headers['x-dormouse-wake'] === '1')) return true
  if (isBrowser(headers))
    return via === 'cookie' && method === 'GET' && headers['sec-fetch-mode'] === 'navigate'
  return via === 'token' && route.intent
}

/** A person looks at the answer: errors are pages, not JSON. */
export const isNavigation = (headers: IncomingHttpHeaders): boolean =>
  headers['sec-fetch-mode'] === undefined
    ? (headers.accept ?? '').startsWith('text/html')
    : headers['sec-fetch-mode'] === 'navigate'

export const isPrefetch = (headers: IncomingHttpHeaders): boolean =>
  [headers['sec-purpose'], headers['purpose'], headers['x-purpose'], headers['x-moz']].some(
    (value) => /prefetch|preview|prerender/i.test(String(value ?? '')),
  )

const isBrowser = (headers: IncomingHttpHeaders): boolean =>
  headers['sec-fetch-mode'] !== undefined || headers['sec-fetch-site'] !== undefined
