import type { Agent, ClientRequest, IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { errno, Failure } from '../errors.ts'
import type { HttpCall, SocketCall } from '../router.ts'
import type { Sockets } from '../sockets.ts'
import { closeFrame, FrameMeter } from './frame-meter.ts'
import { requestHeaders, responseHeaders } from './headers.ts'
import { request as dial, STATUS_CODES } from './http.ts'
import { nothingListens, type Listener } from './listeners.ts'

/** One HTTP request to a server in the compute, streamed both ways. Errors: no_listener. */
export const proxyHttp = async (
  call: HttpCall,
  listener: Listener,
  touch: () => void,
  kept: Agent,
): Promise<void> => {
  const { request, response } = call
  let upstream = send(call, listener, mayShare(request) ? kept : false)
  response.once('close', () => upstream.destroy())
  request.on('data', touch)
  const answer = await answered(upstream, listener).catch((error: unknown) => {
    if (!upstream.reusedSocket || response.destroyed) throw error
    upstream = send(call, listener, false)
    return answered(upstream, listener)
  })
  touch()
  // Without the server's own words beside the status: they may hold what no head may.
  response.writeHead(answer.statusCode ?? 502, responseHeaders(answer.rawHeaders))
  response.flushHeaders() // an event stream shows its beginning at once
  answer.on('data', touch)
  answer.on('error', () => response.destroy())
  answer.pipe(response)
}

/**
 * What may not be sent twice goes on a connection of its own: a kept one can end just then. So does
 * HEAD: a server that answers it with a body, wrongly, would be answering the next request.
 */
const mayShare = ({ method, headers }: IncomingMessage): boolean =>
  method === 'GET' &&
  headers['transfer-encoding'] === undefined &&
  headers['content-length'] === undefined

const send = (call: HttpCall, listener: Listener, agent: Agent | false): ClientRequest => {
  const upstream = dialListener(
    call,
    listener,
    agent === false ? ['Connection', 'close'] : [],
    agent,
  )
  if (agent === false) call.request.pipe(upstream)
  else upstream.end()
  return upstream
}

/** An upgrade (WebSocket or other) to a server in the compute. Errors: no_listener. */
export const proxyUpgrade = async (
  call: SocketCall,
  listener: Listener,
  touch: () => void,
  sockets: Sockets,
): Promise<void> => {
  const { socket, head, request } = call
  const protocol = request.headers.upgrade ?? ''
  const upstream = dialListener(call, listener, ['Connection', 'Upgrade', 'Upgrade', protocol])
  socket.once('close', () => upstream.destroy())
  const switched = new Promise<readonly [IncomingMessage, Duplex, Buffer]>((resolve) =>
    upstream.once('upgrade', (answer, inner, first) => resolve([answer, inner, first])),
  )
  upstream.end()
  const first = await Promise.race([switched, answered(upstream, listener)])
  touch()
  if (!Array.isArray(first)) return passRefusal(socket, first as IncomingMessage)
  const [answer, inner, innerHead] = first as Awaited<typeof switched>
  writeHead(socket, answer, ['Connection', 'Upgrade', 'Upgrade', protocol])
  join(socket, inner, { head, innerHead, touch, sockets, webSocket: /^websocket$/i.test(protocol) })
}

const dialListener = (
  { request, rest }: HttpCall | SocketCall,
  { host, port }: Listener,
  connection: readonly string[],
  agent: Agent | false = false,
): ClientRequest => {
  const body = request.headers['transfer-encoding'] ? ['Transfer-Encoding', 'chunked'] : []
  const upstream = dial({
    host,
    port,
    method: request.method,
    path: rest,
    headers: [...requestHeaders(request.rawHeaders), ...connection, ...body],
    agent,
  })
  upstream.setNoDelay(true)
  upstream.on('error', () => {})
  return upstream
}

const answered = (upstream: ClientRequest, { port }: Listener): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    const brokeOff = `The server on port ${port} broke off without an answer.`
    upstream.once('response', resolve)
    upstream.once('error', (error) =>
      reject(
        errno(error) === 'ECONNREFUSED'
          ? nothingListens(port)
          : new Failure('no_listener', brokeOff),
      ),
    )
    // One that switches protocols though nobody asked ends without an error.
    upstream.once('close', () => reject(new Failure('no_listener', brokeOff)))
  })

const writeHead = (
  socket: Duplex,
  answer: IncomingMessage,
  connection: readonly string[],
): void => {
  const headers = [...responseHeaders(answer.rawHeaders), ...connection]
  const lines = Array.from(
    { length: headers.length / 2 },
    (_, index) => `${headers[2 * index]}: ${headers[2 * index + 1]}\r\n`,
  )
  socket.write(
    `HTTP/1.1 ${answer.statusCode} ${STATUS_CODES[answer.statusCode ?? 0] ?? ''}\r\n${lines.join('')}\r\n`,
    'latin1',
  )
}

/** The server would not switch: its answer, and the end; the connection is never used again. */
const passRefusal = (socket: Duplex, answer: IncomingMessage): void => {
  writeHead(socket, answer, ['Connection', 'close'])
  answer.pipe(socket)
}

const join = (
  outer: Duplex,
  inner: Duplex,
  options: {
    readonly head: Buffer
    readonly innerHead: Buffer
    readonly touch: () => void
    readonly sockets: Sockets
    readonly webSocket: boolean
  },
): void => {
  const { webSocket, touch } = options
  const [inward, outward] = [new FrameMeter(), new FrameMeter()]
  const watch = (meter: FrameMeter) => (bytes: Buffer) => {
    if (!webSocket || meter.sawData(bytes)) touch()
  }
  const end = () => {
    forget()
    outer.destroy()
    inner.destroy()
  }
  const forget = options.sockets.addCloser((code, reason) => {
    if (webSocket && outward.atBoundary) {
      inner.unpipe(outer)
      outer.end(closeFrame(code, reason))
      inner.destroy()
      forget()
    } else end()
  })
  for (const side of [outer, inner]) side.on('error', end).on('close', end)
  // First what came with the handshakes: a listener would take it before the pipe is there.
  if (options.head.length > 0) outer.unshift(options.head)
  if (options.innerHead.length > 0) inner.unshift(options.innerHead)
  outer.on('data', watch(inward))
  inner.on('data', watch(outward))
  outer.pipe(inner)
  inner.pipe(outer)
}
