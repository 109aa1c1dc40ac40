import { getDomain } from 'tldts'
import { isId } from '../records/ids.ts'

/** What a Host header names: the gateway itself, a compute's own address, or one of its ports. */
export type Place =
  | { readonly kind: 'gateway' }
  | { readonly kind: 'compute'; readonly computeId: string }
  | { readonly kind: 'port'; readonly computeId: string; readonly port: number }

export interface HostRule {
  /** undefined: none of ours, answer 421. Host and port must both be ours. */
  place(host: string): Place | undefined
  /** `https://3000-<id>.<domain>`: the origin of a place with its own host. */
  origin(host: string): string
}

export const createHostRule = (config: {
  readonly origin: string
  readonly portDomain: string
  /** Further names of the gateway itself, with their ports. */
  readonly extraHosts?: readonly string[]
}): HostRule => {
  const own = new URL(config.origin)
  const ownPort = own.port || DEFAULT_PORTS[own.protocol]
  const suffix = `.${config.portDomain.toLowerCase()}`
  return {
    place(host) {
      if (config.extraHosts?.includes(host)) return { kind: 'gateway' }
      const parsed = /^([a-z0-9.-]+|\[[0-9a-f:]+\])(?::(\d{1,5}))?$/.exec(host.toLowerCase())
      if (parsed === null) return undefined
      const [, name = '', port = DEFAULT_PORTS[own.protocol]] = parsed
      if (port !== ownPort) return undefined
      if (name === own.hostname || (isLoopback(name) && isLoopback(own.hostname)))
        return { kind: 'gateway' }
      return name.endsWith(suffix) ? placeOf(name.slice(0, -suffix.length)) : undefined
    },
    origin: (host) => `${own.protocol}//${host.toLowerCase()}`,
  }
}

const DEFAULT_PORTS: Readonly<Record<string, string>> = { 'http:': '80', 'https:': '443' }

const placeOf = (label: string): Place | undefined => {
  if (isId(label)) return { kind: 'compute', computeId: label }
  const [, portText = '', computeId = ''] = /^(\d+)-([a-z0-9]+)$/.exec(label) ?? []
  const port = parsePort(portText)
  return port !== undefined && isId(computeId) ? { kind: 'port', computeId, port } : undefined
}

/** Exactly the decimal integers 1 to 65535, without sign, space, leading zero or other notation. */
export const parsePort = (text: string): number | undefined => {
  if (!/^[1-9]\d{0,4}$/.test(text)) return undefined
  const port = Number(text)
  return port <= 65_535 ? port : undefined
}

/**
 * Refuses to start when pages from computes would be of one site with the API: its cookies would go
 * along with their requests. `*.localhost` is a site of its own for each name, so it may stand beside
 * an API on localhost or 127.0.0.1.
 */
export const assertSeparateSites = (portDomain: string, apiOrigin: string): void => {
  const api = new URL(apiOrigin).hostname
  const domain = portDomain.toLowerCase()
  if (domain === 'localhost' && isLoopback(api)) return
  const same =
    domain === api ||
    api.endsWith(`.${domain}`) ||
    domain.endsWith(`.${api}`) ||
    siteOf(domain) === siteOf(api)
  if (same)
    throw new Error(
      `DORMOUSE_PORT_DOMAIN (${portDomain}) is of one site with DORMOUSE_API_ORIGIN (${apiOrigin}): ` +
        'pages from computes could send its cookies. Give ports another registrable domain; see docs/gateway.md',
    )
}

const siteOf = (name: string): string => getDomain(name, { allowPrivateDomains: true }) ?? name

const isLoopback = (name: string): boolean =>
  name === 'localhost' || name === '[::1]' || /^127(\.\d{1,3}){3}$/.test(name)
