import type { ServerResponse } from 'node:http'
import type { SigningKeys } from '../auth/keys.ts'
import type { Identities } from './admission.ts'
import type { ParsedCall } from './call.ts'
import { mintDoorCookie } from './door-cookie.ts'
import { isPrefetch } from './intent.ts'
import { Refusal } from './refusal.ts'

/** Reserved on every port's host; the rest is the application's. */
export const isDoorPath = (target: string): boolean => /^\/\.dormouse(\/|\?|$)/.test(target)

/**
 * GET /.dormouse/enter?ticket=…[&to=/path]: spends a ticket made for this port, sets the port's own
 * cookie and goes on to the page, with nothing left in the address.
 */
export const enterDoor = async (
  response: ServerResponse,
  { visit, target, ownOrigin }: ParsedCall,
  deps: { readonly identities: Identities; readonly keys: SigningKeys },
): Promise<void> => {
  const { place, host } = visit
  const url = new URL(`${ownOrigin}${target}`)
  if (place.kind !== 'port' || url.pathname !== '/.dormouse/enter' || visit.method !== 'GET')
    throw new Refusal('NotFound', 'Nothing is at this address.')
  if (isPrefetch(visit.headers))
    throw new Refusal('BadRequest', 'A ticket is not spent on a prefetch.')
  const principal = await deps.identities.byTicket(url.searchParams.get('ticket') ?? '', {
    computeId: place.computeId,
    purpose: `port:${place.port}`,
  })
  if (principal === undefined)
    throw new Refusal(
      'Unauthenticated',
      'This link was used or has expired; open the port from the workspace again.',
    )
  response.writeHead(303, {
    location: localPath(url.searchParams.get('to')),
    'set-cookie': await mintDoorCookie(deps.keys, { origin: ownOrigin, host, principal }),
    'cache-control': 'no-store',
    'referrer-policy': 'no-referrer',
    'content-length': '0',
  })
  response.end()
}

/** Only a path of this host: `//x`, `/\x` and addresses with a scheme would lead elsewhere. */
const localPath = (to: string | null): string =>
  to !== null && /^\/(?![/\\])[\x21-\x7e]*$/.test(to) ? to : '/'
