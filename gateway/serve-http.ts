import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { answerOrCut, answerRefusal } from './answers.ts'
import { admitCall, parseCall, type ParsedCall } from './call.ts'
import { enterDoor, isDoorPath } from './door.ts'
import { passAnswer } from './forward-http.ts'
import type { Place } from './hosts.ts'
import { answerOperations } from './operations.ts'
import { corsHeaders, preflightHeaders } from './origins.ts'
import type { GatewayParts } from './parts.ts'
import { reach } from './reach.ts'
import { report, toRefusal } from './refusal.ts'
import { sendOn } from './send-on.ts'

/** One HTTP request, from its head to the last byte of its answer. Never throws. */
export const serveHttp = async (
  request: IncomingMessage,
  response: ServerResponse,
  parts: GatewayParts,
  life: { readonly draining: boolean },
): Promise<void> => {
  response.on('error', () => response.destroy())
  if (life.draining) response.setHeader('connection', 'close')
  let place: Place | undefined
  response.once('close', () =>
    parts.metrics.request(`${place?.kind ?? 'unknown'}_http`, response.statusCode),
  )
  try {
    if (await answerOperations(request, response, { ...parts, ...life })) return
    const call = parseCall(request, false, parts)
    place = call.visit.place
    if (place.kind === 'gateway' && request.method === 'OPTIONS')
      response.writeHead(204, { ...cors(request, parts), ...preflightHeaders }).end()
    else if (place.kind !== 'gateway' && isDoorPath(call.target))
      await enterDoor(response, call, parts)
    else await forward(request, response, call, parts)
  } catch (error) {
    const answer = () => {
      report(error, request.url, parts.log)
      const more = place?.kind === 'gateway' ? cors(request, parts) : {}
      answerRefusal(request, response, toRefusal(error), more)
    }
    answerOrCut(answer, response, parts.log)
  }
}

/** What computes answer on the gateway's own origin never runs as a page there. */
const INERT = { 'content-security-policy': 'sandbox', 'x-content-type-options': 'nosniff' }

const forward = async (
  request: IncomingMessage,
  response: ServerResponse,
  call: ParsedCall,
  parts: GatewayParts,
): Promise<void> => {
  const gone = new AbortController()
  const closed = new Promise<void>((resolve) => response.once('close', () => resolve()))
  void closed.then(() => response.writableFinished || gone.abort())
  const admitted = await admitCall(call, parts)
  const { route, wake } = admitted
  const leave = parts.concurrency.enter(route.computeId, admitted.principal === null)
  void closed.then(() => restOfBody(request, gone)).then(leave)
  const reached = reach({ computeId: route.computeId, wake }, parts, async (entry) => {
    const body = hasBody(request) ? request : null
    const { answer } = await sendOn({ request, body, signal: gone.signal }, admitted, entry, parts)
    const forget = parts.passages.add({
      grant: admitted.grant(entry.generation),
      kind: 'http',
      end: () => response.destroy(),
    })
    void closed.then(forget)
    await passAnswer(request, response, answer, {
      app: route.port !== undefined,
      headers: admitted.place.kind === 'gateway' ? { ...INERT, ...cors(request, parts) } : {},
    })
  })
  await reached.catch((error: unknown) => {
    leave()
    throw error
  })
}

const BODY_LINGER_MS = 30_000

/** Of a request that was answered before it was all sent, the rest goes on so long and no longer. */
const restOfBody = async (request: IncomingMessage, gone: AbortController): Promise<void> => {
  if (request.complete || request.socket.destroyed) return
  await sleep(BODY_LINGER_MS, undefined, { ref: false })
  if (request.complete) return
  gone.abort()
  request.socket.destroy()
}

const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0

const cors = (request: IncomingMessage, { allowedOrigins }: GatewayParts) =>
  corsHeaders(request.headers.origin, allowedOrigins)
