import type { IncomingMessage } from 'node:http'
import type { Principal } from '../auth/principal.ts'
import { mintAccessToken } from '../auth/access-token.ts'
import { identify, may, permit, type Visit } from './admission.ts'
import { readCredentials, type Credentials } from './credentials.ts'
import { doorCookieName } from './door-cookie.ts'
import type { Place } from './hosts.ts'
import { wantsAwake, type Via } from './intent.ts'
import type { Grant } from './passages.ts'
import { Refusal } from './refusal.ts'
import type { GatewayParts } from './parts.ts'
import { requestShape } from './request-shape.ts'
import { parseRoute, portRoute, type Route } from './routes.ts'
import { lowestPort } from './ports-list.ts'
import type { WakeCredential } from './waker.ts'

/** A request that was let through: whose it is, where it goes, and how it may wake. */
export interface AdmittedCall {
  readonly place: Place
  readonly host: string
  readonly route: Route
  readonly principal: Principal | null
  readonly credentials: Credentials
  readonly upgrade: boolean
  readonly wake: (() => Promise<WakeCredential | undefined>) | undefined
  grant(generation: number): Grant
}

export interface ParsedCall {
  readonly visit: Visit
  readonly target: string
  /** This host as an origin. */
  readonly ownOrigin: string
}

/** parse: which host, in which form, with which credentials. Errors: BadRequest, WrongHost. */
export const parseCall = (
  request: IncomingMessage,
  upgrade: boolean,
  { hosts, config }: GatewayParts,
): ParsedCall => {
  const { host, target } = requestShape(request)
  const place = hosts.place(host)
  if (place === undefined)
    throw new Refusal('WrongHost', 'This gateway does not answer to that name.')
  const credentials = readCredentials(request.headers, doorCookieName(config.origin))
  const method = request.method ?? 'GET'
  return {
    visit: { method, headers: request.headers, host, place, upgrade, credentials },
    target,
    ownOrigin: hosts.origin(host),
  }
}

/** authorise: who, and whether they may. Nothing was asked of the compute yet, and nothing woken. */
export const admitCall = async (call: ParsedCall, parts: GatewayParts): Promise<AdmittedCall> => {
  const { visit, target, ownOrigin } = call
  const { place, credentials } = visit
  const fixed = routeOf(visit, target)
  if (fixed === undefined && place.kind === 'gateway')
    throw new Refusal('NotFound', 'This gateway has no such address.')
  const computeId = place.kind === 'gateway' ? (fixed?.computeId ?? '') : place.computeId
  const { principal: known, via } = await identify(
    visit,
    { computeId, purpose: fixed?.purpose ?? 'none' },
    { identities: parts.identities, ownOrigin, allowedOrigins: parts.allowedOrigins },
  )
  // Nobody learns by an error whether a compute exists.
  const entry = await parts.directory.find(computeId)
  const route = fixed ?? portRoute(computeId, await lowestPort(known, entry, parts), target)
  const want = {
    purpose: route.purpose,
    ...(route.port === undefined ? {} : { port: route.port }),
    publicCounts: place.kind !== 'gateway',
  }
  const principal = permit(known, entry, want)
  const asks = wantsAwake({ ...visit, route, via: principal === null ? 'nobody' : via })
  const mayWake =
    asks && principal !== null && entry !== undefined && may(principal, 'compute:control', entry)
  return {
    place,
    host: visit.host,
    route,
    principal,
    credentials,
    upgrade: visit.upgrade,
    wake: mayWake ? () => wakeCredential(credentials, via, principal, parts) : undefined,
    grant: (generation) => ({
      ...want,
      computeId,
      generation,
      principal: principal && {
        userId: principal.userId,
        ...(principal.sessionId === undefined ? {} : { sessionId: principal.sessionId }),
        ...(principal.keyId === undefined ? {} : { keyId: principal.keyId }),
      },
    }),
  }
}

const routeOf = ({ method, place }: Visit, target: string): Route | undefined => {
  if (place.kind === 'gateway') return parseRoute(method, target)
  return place.kind === 'port' ? portRoute(place.computeId, place.port, target) : undefined
}

const WAKE_TOKEN_LIFETIME_S = 30

/** The caller's own token as it came, or for a cookie a short one in the name of its login. */
const wakeCredential = async (
  { token }: Credentials,
  via: Via,
  { userId, sessionId }: Principal,
  { keys }: GatewayParts,
): Promise<WakeCredential | undefined> => {
  if (via === 'token' && token !== undefined)
    return token.header === 'authorization'
      ? ['authorization', `Bearer ${token.value}`]
      : [token.header, token.value]
  if (sessionId === undefined) return undefined
  const minted = await mintAccessToken(keys, { userId, sessionId }, WAKE_TOKEN_LIFETIME_S)
  return ['authorization', `Bearer ${minted}`]
}
