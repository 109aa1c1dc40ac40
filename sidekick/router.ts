import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { Failure } from './errors.ts'
import type { LifeState } from './life.ts'

/** Who may call: `anyone` (hello and claim), or the holder of a ticket of that scope. */
export type RouteScope = 'anyone' | 'use' | 'control'

export interface RouteRules {
  readonly scope: RouteScope
  /** States in which the route works; in others it answers not_claimed, not_open, frozen or wrong_state. */
  readonly during: readonly LifeState[]
}

export interface Call {
  readonly request: IncomingMessage
  /** `:name` parts of the pattern, percent-decoded. */
  readonly params: Readonly<Record<string, string>>
  readonly query: ReadonlyMap<string, string>
  /** What `*` matched with the query string, byte for byte as it came; '' without `*`. */
  readonly rest: string
}
export interface HttpCall extends Call {
  readonly response: ServerResponse
}
export interface SocketCall extends Call {
  readonly socket: Duplex
  readonly head: Buffer
}

/** What a handler returns is sent as JSON with the status it set (200); undefined is 204 unless it answered itself. */
export type HttpHandler = (call: HttpCall) => unknown
export type SocketHandler = (call: SocketCall) => void | Promise<void>

interface Route<H> extends RouteRules {
  readonly method: string
  readonly segments: readonly string[]
  readonly handler: H
}
export interface Match<H> {
  readonly route: RouteRules & { readonly handler: H }
  readonly params: Readonly<Record<string, string>>
  readonly rest: string
}

/** Method and path pattern → handler. Patterns: `/v1/commands/:id`, `/v1/ports/:port/*`. First match wins. */
export class Router {
  readonly #http: Route<HttpHandler>[] = []
  readonly #sockets: Route<SocketHandler>[] = []

  /** `method` may be `*`. */
  on(method: string, pattern: string, rules: RouteRules, handler: HttpHandler): void {
    this.#http.push({ ...rules, method, segments: pattern.split('/'), handler })
  }

  /** A WebSocket (or other upgrade) route. */
  onUpgrade(pattern: string, rules: RouteRules, handler: SocketHandler): void {
    this.#sockets.push({ ...rules, method: 'GET', segments: pattern.split('/'), handler })
  }

  find(method: string, target: Target): Match<HttpHandler> | undefined {
    return firstMatch(this.#http, method, target)
  }

  findUpgrade(target: Target): Match<SocketHandler> | undefined {
    return firstMatch(this.#sockets, 'GET', target)
  }
}

export interface Target {
  readonly path: string
  /** With the question mark, as it came. */
  readonly search: string
}

/** The request target as path and query; an absolute-form target counts by its path alone. */
export const parseTarget = (url: string): Target => {
  const origin = url.startsWith('/') ? url : url.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i, '')
  if (!origin.startsWith('/')) throw new Failure('invalid', 'The request target must be a path.')
  const mark = origin.indexOf('?')
  return mark < 0
    ? { path: origin, search: '' }
    : { path: origin.slice(0, mark), search: origin.slice(mark) }
}

/** Query parameters, strictly decoded: bad percent encoding or UTF-8 is 422, the first of a repeated name counts. */
export const parseQuery = (search: string): ReadonlyMap<string, string> => {
  const query = new Map<string, string>()
  for (const pair of search.replace(/^\?/, '').split('&')) {
    if (pair === '') continue
    const equals = pair.indexOf('=')
    const name = decode(equals < 0 ? pair : pair.slice(0, equals))
    if (!query.has(name)) query.set(name, equals < 0 ? '' : decode(pair.slice(equals + 1)))
  }
  return query
}

const firstMatch = <H>(
  routes: readonly Route<H>[],
  method: string,
  target: Target,
): Match<H> | undefined => {
  const parts = target.path.split('/')
  for (const route of routes) {
    if (route.method !== '*' && route.method !== method) continue
    const match = matchSegments(route.segments, parts, target)
    if (match) return { route, ...match }
  }
  return undefined
}

const matchSegments = (segments: readonly string[], parts: readonly string[], target: Target) => {
  const open = segments.at(-1) === '*'
  if (open ? parts.length < segments.length - 1 : parts.length !== segments.length) return undefined
  const params: Record<string, string> = {}
  for (const [index, segment] of segments.entries()) {
    if (open && index === segments.length - 1)
      return { params, rest: `/${parts.slice(index).join('/')}${target.search}` }
    const part = parts[index] ?? ''
    if (segment.startsWith(':')) {
      if (part === '') return undefined
      params[segment.slice(1)] = decode(part)
    } else if (segment !== part) return undefined
  }
  return { params, rest: '' }
}

const decode = (text: string): string => {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    throw new Failure('invalid', 'The address has a broken percent encoding; encode it as UTF-8.')
  }
}
