import { timingSafeEqual } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { HostRule } from './hosts.ts'
import type { Metrics } from './metrics.ts'

/**
 * /healthz, /readyz and /metrics for whoever runs the gateway, by any name except a compute's:
 * there those paths are the application's. Returns whether it answered.
 */
export const answerOperations = async (
  request: IncomingMessage,
  response: ServerResponse,
  deps: {
    readonly hosts: HostRule
    readonly metrics: Metrics
    readonly config: { readonly metricsToken: string | undefined }
    readonly draining: boolean
    readonly ready: () => Promise<boolean>
  },
): Promise<boolean> => {
  const { url } = request
  if (request.method !== 'GET' || (url !== '/healthz' && url !== '/readyz' && url !== '/metrics'))
    return false
  const place = deps.hosts.place(request.headers.host ?? '')
  if (place !== undefined && place.kind !== 'gateway') return false
  if (url === '/healthz') send(response, 200, 'ok\n')
  else if (url === '/readyz') {
    const ready = !deps.draining && (await deps.ready().catch(() => false))
    send(response, ready ? 200 : 503, ready ? 'ready\n' : 'not ready\n')
  } else if (mayScrape(request, deps.config.metricsToken)) {
    send(response, 200, await deps.metrics.registry.metrics(), deps.metrics.registry.contentType)
  } else send(response, 401, 'metrics need their token\n')
  return true
}

const mayScrape = (request: IncomingMessage, token: string | undefined): boolean =>
  token === undefined
    ? /^(::ffff:)?127\.|^::1$/.test(request.socket.remoteAddress ?? '') &&
      // A proxy on this machine brings requests of others.
      request.headers['x-forwarded-for'] === undefined
    : isSame(request.headers.authorization ?? '', `Bearer ${token}`)

const isSame = (given: string, wanted: string): boolean => {
  const [a, b] = [Buffer.from(given), Buffer.from(wanted)]
  return a.length === b.length && timingSafeEqual(a, b)
}

const send = (response: ServerResponse, status: number, text: string, type = 'text/plain') => {
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' }).end(text)
}
