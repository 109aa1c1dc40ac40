import type { IncomingHttpHeaders } from 'node:http'
import { authorize, type GroupAction } from '../auth/authorize.ts'
import type { DoorPurpose } from '../auth/door-tickets.ts'
import type { Principal } from '../auth/principal.ts'
import type { DirectoryEntry } from '../records/directory.ts'
import type { Credentials } from './credentials.ts'
import type { Directory } from './directory-cache.ts'
import type { PrincipalRef } from './door-cookie.ts'
import type { Place } from './hosts.ts'
import type { Via } from './intent.ts'
import { checkSocketOrigin, isOwnPageRequest } from './origins.ts'
import { Refusal } from './refusal.ts'

/** Who answers "who is this": auth/ over the database. undefined: nobody, or not any more. */
export interface Identities {
  byToken(token: string): Promise<Principal | undefined>
  byTicket(
    token: string,
    door: { computeId: string; purpose: DoorPurpose },
  ): Promise<Principal | undefined>
  byDoorCookie(cookie: string, host: string): Promise<PrincipalRef | undefined>
  again(ref: PrincipalRef): Promise<Principal | undefined>
}

/** A request as far as deciding about it goes. */
export interface Visit {
  readonly method: string
  readonly headers: IncomingHttpHeaders
  readonly host: string
  readonly place: Place
  readonly upgrade: boolean
  readonly credentials: Credentials
}

/** Proves who asks. Origin first: a page that may not open sockets does not even spend a ticket. */
export const identify = async (
  visit: Visit,
  door: { readonly computeId: string; readonly purpose: string },
  deps: {
    readonly identities: Identities
    readonly ownOrigin: string
    readonly allowedOrigins: readonly string[]
  },
): Promise<{ readonly principal: Principal | null; readonly via: Via }> => {
  const { credentials, headers } = visit
  const via = viaOf(visit, deps.ownOrigin)
  if (visit.upgrade)
    checkSocketOrigin({
      headers,
      via,
      hasCookies: credentials.hasCookies,
      allowed:
        visit.place.kind === 'gateway'
          ? deps.allowedOrigins
          : [deps.ownOrigin, ...deps.allowedOrigins],
    })
  const principal = await prove(visit, via, door, deps.identities)
  if (principal !== undefined) return { principal, via }
  // A cookie that ended is like none: a public port is still public.
  if (via === 'cookie' || via === 'nobody') return { principal: null, via: 'nobody' }
  throw unauthenticated()
}

const viaOf = ({ credentials, method, headers, place, upgrade }: Visit, ownOrigin: string): Via => {
  if (credentials.token !== undefined) return 'token'
  if (upgrade && credentials.ticket !== undefined) return 'ticket'
  if (place.kind !== 'port' || credentials.doorCookie === undefined) return 'nobody'
  return upgrade || isOwnPageRequest(method, headers, ownOrigin) ? 'cookie' : 'nobody'
}

const prove = async (
  { credentials, host }: Visit,
  via: Via,
  door: { readonly computeId: string; readonly purpose: string },
  identities: Identities,
): Promise<Principal | undefined> => {
  if (via === 'token') return identities.byToken(credentials.token?.value ?? '')
  if (via === 'ticket') {
    const purpose = door.purpose as DoorPurpose
    const holder = await identities.byTicket(credentials.ticket ?? '', { ...door, purpose })
    // The ticket says who it was; what they may do is read now.
    return holder && identities.again(holder)
  }
  if (via === 'nobody') return undefined
  const ref = await identities.byDoorCookie(credentials.doorCookie ?? '', host)
  return ref && identities.again(ref)
}

/** What somebody wants in a compute, as far as permission goes. */
export interface Want {
  readonly purpose: string
  readonly port?: number
  /** Whether a public port is open to everybody here: only on hosts of its own. */
  readonly publicCounts: boolean
}

/**
 * The principal in whose name it goes on, null for anybody at a public port.
 * Errors: Unauthenticated, Forbidden, NotFound (also for a stranger's compute).
 */
export const permit = (
  principal: Principal | null,
  entry: DirectoryEntry | undefined,
  want: Want,
): Principal | null => {
  const visibility = entry?.doors.find(({ port }) => port === want.port)?.visibility ?? 'private'
  const isPublic = want.publicCounts && want.port !== undefined && visibility === 'public'
  if (principal === null) {
    if (isPublic) return null
    throw unauthenticated()
  }
  if (entry === undefined) throw new Refusal('NotFound', 'no such thing, or not yours')
  if (isPublic) return may(principal, 'compute:read', entry) ? principal : null
  const readable = want.purpose === 'read' || (want.port !== undefined && visibility !== 'private')
  authorize(principal, readable ? 'compute:read' : 'compute:use', entry)
  return principal
}

export const may = (
  principal: Principal,
  action: GroupAction,
  entry: Pick<DirectoryEntry, 'groupId' | 'ownerId'>,
): boolean => {
  try {
    authorize(principal, action, entry)
    return true
  } catch {
    return false
  }
}

/** Asked again of what is under way. */
export const stillPermitted = async (
  directory: Directory,
  identities: Identities,
  grant: {
    readonly computeId: string
    readonly generation: number
    readonly principal: PrincipalRef | null
  } & Want,
): Promise<'yes' | 'revoked' | 'fenced' | 'hibernated'> => {
  const entry = await directory.find(grant.computeId, true)
  const principal = grant.principal && (await identities.again(grant.principal))
  if (principal === undefined || entry === undefined) return 'revoked'
  try {
    permit(principal, entry, grant)
  } catch {
    return 'revoked'
  }
  if (entry.state === 'hibernated' || entry.state === 'terminated') return 'hibernated'
  return entry.generation === grant.generation ? 'yes' : 'fenced'
}

const unauthenticated = (): Refusal =>
  new Refusal('Unauthenticated', 'Send a valid access token or API key, or a fresh ticket.')
