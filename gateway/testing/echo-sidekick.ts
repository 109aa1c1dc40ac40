/** A TLS server in a sidekick's place that writes down every byte it is sent. */
import { createServer as createHttpsServer } from 'node:https'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { mkdtemp, rm } from 'node:fs/promises'
import type { Duplex } from 'node:stream'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { makeCertificate } from '../../sidekick/certificate.ts'
import type { Endpoint } from '../sidekick-dial.ts'
import { createHash } from 'node:crypto'

export interface Seen {
  readonly method: string
  readonly url: string
  readonly rawHeaders: readonly string[]
  body: string
}
export type EchoSidekick = Awaited<ReturnType<typeof startEchoSidekick>>

export const startEchoSidekick = async () => {
  const certificate = makeCertificate()
  const dir = await mkdtemp(path.join(tmpdir(), 'dormouse-echo-'))
  const socketPath = path.join(dir, 's')
  const seen: Seen[] = []
  const sockets = new Set<Duplex>()
  let connections = 0
  let respond = (request: IncomingMessage, response: ServerResponse): void =>
    void response.writeHead(200, { 'content-type': 'text/plain' }).end(`you asked ${request.url}`)
  let onUpgrade = (request: IncomingMessage, socket: Duplex, _head: Buffer): void => {
    socket.write(handshakeAnswer(request))
    socket.pipe(socket)
  }

  const server = createHttpsServer({
    key: certificate.keyPem,
    cert: certificate.certPem,
    minVersion: 'TLSv1.3',
  })
  server.on('secureConnection', (socket) => {
    connections += 1
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  server.on('request', (request, response) => {
    const entry: Seen = note(request)
    request.on('data', (chunk: Buffer) => (entry.body += chunk.toString('latin1')))
    request.on('end', () => respond(request, response))
  })
  server.on('upgrade', (request, socket, head) => {
    note(request)
    socket.on('error', () => {})
    onUpgrade(request, socket, head)
  })
  await new Promise<void>((resolve) => server.listen(socketPath, () => resolve()))

  const note = (request: IncomingMessage): Seen => {
    const { method = '', url = '', rawHeaders } = request
    const entry: Seen = { method, url, rawHeaders: [...rawHeaders], body: '' }
    seen.push(entry)
    return entry
  }
  const endpoint: Endpoint = {
    address: { kind: 'unix', path: socketPath },
    fingerprint: certificate.fingerprint,
  }
  return {
    endpoint,
    seen,
    get connections() {
      return connections
    },
    respond: (with_: typeof respond) => void (respond = with_),
    onUpgrade: (with_: typeof onUpgrade) => void (onUpgrade = with_),
    dropAll: () => {
      for (const socket of sockets) socket.destroy()
    },
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise<void>((resolve) => server.close(() => resolve()))
      await rm(dir, { recursive: true, force: true })
    },
  }
}

const handshakeAnswer = ({ headers }: IncomingMessage): string => {
  const [protocol] = (headers['sec-websocket-protocol'] ?? '').split(',')
  const accept = createHash('sha1')
    .update(`${headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
    .digest('base64')
  const chosen = protocol ? `Sec-WebSocket-Protocol: ${protocol}\r\n` : ''
  return (
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
    `Sec-WebSocket-Accept: ${accept}\r\n${chosen}\r\n`
  )
}
