import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { CLOSE_HIBERNATED, CLOSE_RESTARTING } from '../sidekick/protocol.ts'
import { answerOrCut, answerSocketRefusal } from './answers.ts'
import { admitCall, parseCall, type AdmittedCall } from './call.ts'
import { movedOn } from './forward-http.ts'
import { checkHandshake, passSocketRefusal, switchSockets } from './forward-socket.ts'
import type { Place } from './hosts.ts'
import type { GatewayParts } from './parts.ts'
import type { EndCause, Grant } from './passages.ts'
import type { PipedSocket } from './piped-socket.ts'
import { reach } from './reach.ts'
import { report, toRefusal } from './refusal.ts'
import { sendOn } from './send-on.ts'
import type { Exchanged } from './sidekick-exchange.ts'

interface Arrival {
  readonly request: IncomingMessage
  readonly client: Duplex
  readonly head: Buffer
}

/** One WebSocket, from its handshake on. Never throws. */
export const serveSocket = async (
  request: IncomingMessage,
  client: Duplex,
  head: Buffer,
  parts: GatewayParts,
  life: { readonly draining: boolean },
): Promise<void> => {
  const gone = new AbortController()
  client.on('error', () => client.destroy())
  const closed = new Promise<void>((resolve) => client.once('close', () => resolve()))
  void closed.then(() => gone.abort())
  let place: Place | undefined
  let leave = () => {}
  let over = closed
  const count = (status: number) =>
    parts.metrics.request(`${place?.kind ?? 'unknown'}_socket`, status)
  try {
    const call = parseCall(request, true, parts)
    place = call.visit.place
    checkHandshake(request)
    const admitted = await admitCall(call, parts)
    const { route, wake } = admitted
    leave = parts.concurrency.enter(route.computeId, admitted.principal === null)
    await reach({ computeId: route.computeId, wake }, parts, async (entry) => {
      const onward = { request, body: null, signal: gone.signal }
      const exchanged = await sendOn(onward, admitted, entry, parts)
      count(exchanged.answer.statusCode ?? 0)
      over = join({ request, client, head }, admitted, admitted.grant(entry.generation), exchanged)
    })
  } catch (error) {
    const answer = () => {
      report(error, request.url, parts.log)
      const refusal = toRefusal(error)
      count(refusal.status)
      answerSocketRefusal(request, client, refusal)
    }
    answerOrCut(answer, client, parts.log)
  }
  void over.then(leave)

  /** Returns when nothing of it goes on any more. */
  function join(
    arrival: Arrival,
    { route }: AdmittedCall,
    grant: Grant,
    exchanged: Exchanged,
  ): Promise<void> {
    const app = route.port !== undefined
    if (!('socket' in exchanged)) {
      if (!app && exchanged.answer.statusCode === 401) throw movedOn(exchanged.answer)
      const ended = parts.passages.add({ grant, kind: 'http', end: () => client.destroy() })
      void closed.then(ended)
      passSocketRefusal(client, exchanged.answer, app)
      return closed
    }
    const held: { piped?: PipedSocket } = {}
    const end = (cause: EndCause) => held.piped?.close(...GOODBYES[cause])
    const forget = addOrDrop(grant, end, exchanged.socket, parts)
    // Added before the handshake is finished: who has too many is told by a status.
    held.piped = switchSockets(arrival, exchanged, app)
    void held.piped.closed.then(forget)
    if (life.draining) end('restarting')
    return held.piped.closed
  }
}

const addOrDrop = (
  grant: Grant,
  end: (cause: EndCause) => void,
  sidekick: Duplex,
  { passages }: GatewayParts,
): (() => void) => {
  try {
    return passages.add({ grant, kind: 'socket', end })
  } catch (error) {
    sidekick.destroy()
    throw error
  }
}

const GOODBYES: Readonly<Record<EndCause, readonly [code: number, reason: string]>> = {
  revoked: [1008, 'access was withdrawn'],
  fenced: [CLOSE_RESTARTING, 'the compute was started anew'],
  hibernated: [CLOSE_HIBERNATED, 'hibernated'],
  restarting: [CLOSE_RESTARTING, 'the gateway restarts; connect again'],
}
