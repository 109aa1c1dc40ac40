import { STATUS_CODES, type IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { isTicketProtocol, offeredProtocols } from './credentials.ts'
import { answerHeaders } from './forwarded-headers.ts'
import { pipeSockets, type PipedSocket } from './piped-socket.ts'
import { Refusal } from './refusal.ts'
import type { Switched } from './sidekick-exchange.ts'

/** Only WebSockets are switched to: another protocol (h2c) would carry requests past every check here. */
export const checkHandshake = (request: IncomingMessage): void => {
  const { headers, method } = request
  const fine =
    method === 'GET' &&
    headers.upgrade?.toLowerCase() === 'websocket' &&
    headers['sec-websocket-key'] !== undefined
  if (!fine) throw new Refusal('BadRequest', 'The only protocol to switch to is websocket.')
}

/** Finishes the handshake with what the sidekick answered, and joins the two connections. */
export const switchSockets = (
  arrival: { readonly request: IncomingMessage; readonly client: Duplex; readonly head: Buffer },
  switched: Switched,
  app: boolean,
): PipedSocket => {
  const { request, client, head } = arrival
  const headers = answerHeaders(switched.answer.rawHeaders, { app, upgrade: true })
  const chosen = switched.answer.headers['sec-websocket-protocol']
  const ticket = offeredProtocols(request.headers).find(isTicketProtocol)
  // A browser that offered subprotocols takes only an answer that picks one; the ticket is spent by now.
  if (chosen === undefined && ticket !== undefined) headers.push('Sec-WebSocket-Protocol', ticket)
  writeHead(client, '101 Switching Protocols', headers)
  if (head.length > 0) client.unshift(head)
  if (switched.head.length > 0) switched.socket.unshift(switched.head)
  return pipeSockets(client, switched.socket)
}

/** The sidekick's refusal of a handshake, and the end of the connection. */
export const passSocketRefusal = (client: Duplex, answer: IncomingMessage, app: boolean): void => {
  const headers = answerHeaders(answer.rawHeaders, { app, upgrade: false })
  const status = answer.statusCode ?? 502
  writeHead(client, `${status} ${STATUS_CODES[status] ?? ''}`, [...headers, 'Connection', 'close'])
  answer.pipe(client)
  answer.on('error', () => client.destroy())
  // Who does not close after it would keep its place for ever.
  answer.on('end', () => setTimeout(() => client.destroy(), REFUSED_LINGER_MS).unref())
}

const REFUSED_LINGER_MS = 5_000

const writeHead = (client: Duplex, status: string, flat: readonly string[]): void => {
  let text = `HTTP/1.1 ${status}\r\n`
  for (let index = 0; index < flat.length; index += 2)
    text += `${flat[index]}: ${flat[index + 1]}\r\n`
  client.write(`${text}\r\n`, 'latin1')
}
