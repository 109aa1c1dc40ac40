import { isId } from '../records/ids.ts'
import { parsePort } from './hosts.ts'

/** Where a request goes inside a compute; made only from allow-listed parts. */
export interface Route {
  readonly computeId: string
  /** Path and query for the sidekick. */
  readonly path: string
  /** Set when it goes on to a user's application: its Authorization and cookies are its own. */
  readonly port?: number
  /** What a single-use ticket for this route must have been made for. */
  readonly purpose: string
  /** Changes something or reads what only an awake compute has, so a program's call means "be awake". */
  readonly intent: boolean
  readonly flags: RouteFlags
}
/** Query switches on the gateway's own routes; taken off before forwarding. */
export interface RouteFlags {
  readonly wake: boolean
  readonly reconnect: boolean
}

const NAME = '[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}'
/** The sidekick's `use` routes and no others: freeze, archive, claim and the like cannot be spelled here. */
const OPEN_ROUTES: readonly { shape: RegExp; purpose: string; intent: readonly string[] }[] = [
  { shape: /^terminal$/, purpose: 'terminal', intent: ['GET'] },
  { shape: re(`terminals(/${NAME})?`), purpose: 'terminal', intent: [] },
  { shape: /^exec$/, purpose: 'exec', intent: ['POST'] },
  { shape: /^commands$/, purpose: 'exec', intent: ['POST'] },
  { shape: re(`commands/${NAME}(/(output|stdin|signal))?`), purpose: 'exec', intent: [] },
  {
    shape: /^files(\/(stat|content|mkdir|move|watch))?$/,
    purpose: 'files',
    intent: ['GET', 'HEAD', 'PUT', 'POST', 'DELETE'],
  },
  { shape: /^(ports|activity)$/, purpose: 'read', intent: [] },
]

function re(source: string): RegExp {
  return new RegExp(`^${source}$`)
}

/** `/compute/<id>/<rest>?query` → the sidekick's `/v1/<rest>`; undefined when no such route exists. */
export const parseRoute = (method: string, target: string): Route | undefined => {
  const [, computeId = '', rest = '', search = ''] =
    /^\/compute\/([^/?]+)\/([^?]*)(\?.*)?$/.exec(target) ?? []
  if (!isId(computeId)) return undefined
  const [, portText, portPath = ''] = /^ports\/([^/]+)(\/.*)?$/.exec(rest) ?? []
  if (portText !== undefined) {
    const port = parsePort(portText)
    return port === undefined
      ? undefined
      : portRoute(computeId, port, `${portPath || '/'}${search}`)
  }
  const open = OPEN_ROUTES.find(({ shape }) => shape.test(rest))
  if (open === undefined) return undefined
  const { kept, flags } = takeFlags(search)
  return {
    computeId,
    path: `/v1/${rest}${kept}`,
    purpose: open.purpose,
    intent: open.intent.includes(method),
    flags,
  }
}

/** The target of a port's own host, unchanged: its query belongs to the application. */
export const portRoute = (computeId: string, port: number, target: string): Route => ({
  computeId,
  path: `/v1/ports/${port}${target}`,
  port,
  purpose: `port:${port}`,
  intent: true,
  flags: { wake: false, reconnect: false },
})

const takeFlags = (search: string): { kept: string; flags: RouteFlags } => {
  const pairs = search
    .replace(/^\?/, '')
    .split('&')
    .filter((pair) => pair !== '')
  const kept = pairs.filter((pair) => !/^(wake|reconnect|ticket)(=|$)/.test(pair))
  return {
    kept: kept.length === 0 ? '' : `?${kept.join('&')}`,
    flags: { wake: pairs.includes('wake=1'), reconnect: pairs.includes('reconnect=1') },
  }
}
