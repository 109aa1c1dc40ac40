import type { IncomingMessage } from 'node:http'
import type { AdmittedCall } from './call.ts'
import { onwardHeaders } from './forwarded-headers.ts'
import type { GatewayParts } from './parts.ts'
import { exchange, type Exchanged } from './sidekick-exchange.ts'
import type { ReadyEntry } from './whereabouts.ts'

/** The request in the gateway's own words, to the sidekick of that generation. Errors: see `exchange`. */
export const sendOn = async (
  onward: {
    readonly request: IncomingMessage
    readonly body: IncomingMessage | null
    readonly signal: AbortSignal
  },
  { route, host, principal, credentials, upgrade }: AdmittedCall,
  entry: ReadyEntry,
  { tickets, pools, config }: GatewayParts,
): Promise<Exchanged> => {
  const { request, body, signal } = onward
  const sidekickTicket = await tickets({ ...entry, subject: principal?.actor ?? 'anybody' })
  return exchange({
    agent: pools.agent(entry.endpoint),
    method: request.method ?? 'GET',
    path: route.path,
    headers: onwardHeaders(request.rawHeaders, {
      sidekickTicket,
      upgrade,
      chunked: body !== null && request.headers['transfer-encoding'] !== undefined,
      app:
        route.port === undefined
          ? undefined
          : {
              host,
              proto: config.origin.startsWith('https:') ? 'https' : 'http',
              authorization: credentials.foreignAuthorization,
            },
    }),
    body,
    upgrade,
    signal,
  })
}
