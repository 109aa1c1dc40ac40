import { isOurCookie, isTicketProtocol, withoutOurCookies } from './credentials.ts'
import { connectionNames } from './request-shape.ts'

const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'trailers',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
  'expect',
])

/** Where a request goes, as far as its headers depend on it. */
export interface Onward {
  /** For the sidekick; never leaves it. */
  readonly sidekickTicket: string
  /** Set for a user's application behind a port. */
  readonly app:
    | { readonly host: string; readonly proto: string; readonly authorization: string | undefined }
    | undefined
  readonly upgrade: boolean
  readonly chunked: boolean
}

/**
 * The caller's headers as name, value, name, value, without anything that is ours or of this hop:
 * tokens, tickets, our cookies, what claims to come from a proxy. Then what we say ourselves.
 */
export const onwardHeaders = (rawHeaders: readonly string[], onward: Onward): string[] => {
  const named = connectionNames(rawHeaders)
  const out: string[] = []
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? ''
    const lower = name.toLowerCase()
    if (HOP_BY_HOP.has(lower) || named.has(lower) || isPlatformHeader(lower)) continue
    if (lower === 'origin' && !onward.app) continue
    const value = ownValue(lower, rawHeaders[index + 1] ?? '')
    if (value !== undefined) out.push(name, value)
  }
  out.push('Authorization', `Bearer ${onward.sidekickTicket}`)
  if (onward.upgrade) out.push('Connection', 'Upgrade', 'Upgrade', 'websocket')
  if (onward.chunked) out.push('Transfer-Encoding', 'chunked')
  const { app } = onward
  out.push('Host', app?.host ?? 'sidekick')
  if (app) out.push('X-Forwarded-Host', app.host, 'X-Forwarded-Proto', app.proto)
  if (app?.authorization !== undefined)
    out.push('X-Dormouse-Forward-Authorization', app.authorization)
  return out
}

/** Underscores count as hyphens: CGI-like servers cannot tell `X_Forwarded_For` from the real one. */
const isPlatformHeader = (lower: string): boolean => {
  const name = lower.replaceAll('_', '-')
  return (
    name === 'host' ||
    name === 'authorization' ||
    name === 'forwarded' ||
    name === 'x-real-ip' ||
    /^x-(forwarded|dormouse|compute)(-|$)/.test(name)
  )
}

const ownValue = (lower: string, value: string): string | undefined => {
  if (lower === 'cookie') return withoutOurCookies(value)
  if (lower !== 'sec-websocket-protocol') return value
  const kept = value
    .split(',')
    .map((protocol) => protocol.trim())
    .filter((protocol) => protocol !== '' && !isTicketProtocol(protocol))
  return kept.length === 0 ? undefined : kept.join(', ')
}

/** What a compute must not say to a browser in the name of our hosts. */
const REFUSED_FROM_COMPUTES = new Set([
  'clear-site-data', // would clear cookies of the whole site
  'service-worker-allowed',
  'alt-svc', // would move the origin to another server
  'public-key-pins',
])

/** A sidekick's answer as name, value, name, value, without this hop's headers and what computes may not set. */
export const answerHeaders = (
  rawHeaders: readonly string[],
  from: { readonly app: boolean; readonly upgrade: boolean },
): string[] => {
  const named = connectionNames(rawHeaders)
  const out: string[] = []
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? ''
    const value = rawHeaders[index + 1] ?? ''
    const lower = name.toLowerCase()
    if (HOP_BY_HOP.has(lower) || named.has(lower) || REFUSED_FROM_COMPUTES.has(lower)) continue
    if (from.app && lower.startsWith('x-dormouse-')) continue
    if (lower === 'set-cookie' && !isHarmlessCookie(value)) continue
    out.push(name, value)
  }
  if (from.upgrade) out.push('Connection', 'Upgrade', 'Upgrade', 'websocket')
  return out
}

const isHarmlessCookie = (value: string): boolean => {
  const [pair = '', ...attributes] = value.split(';')
  return (
    !isOurCookie(pair.split('=', 1)[0] ?? '') &&
    !attributes.some((attribute) => /^\s*domain\s*(=|$)/i.test(attribute))
  )
}
