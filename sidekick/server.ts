import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { Duplex } from 'node:stream'
import type { Certificate } from './certificate.ts'
import type { Door } from './door.ts'
import { Failure, toFailure } from './errors.ts'
import { log } from './log.ts'
import { parseQuery, parseTarget, type Match, type Router } from './router.ts'

/** Longer than any pool of the gateway keeps a connection, so a request never meets a closing socket. */
const KEEP_ALIVE_MS = 75_000

const DRAIN_BYTES = 64 * 1024 * 1024

/** HTTPS in front of the router: state and ticket are checked here, before any handler runs. */
export const makeServer = (certificate: Certificate, router: Router, allow: Door): Server => {
  const server = createServer({
    key: certificate.keyPem,
    cert: certificate.certPem,
    minVersion: 'TLSv1.3',
    keepAliveTimeout: KEEP_ALIVE_MS,
    headersTimeout: 10_000,
    requestTimeout: 0, // uploads and archives take as long as they take
    maxHeaderSize: 32 * 1024,
    noDelay: true,
  })
  server.on('request', (request, response) => void answer(request, response))
  server.on('upgrade', (request, socket, head) => void upgrade(request, socket, head))
  server.on('clientError', (_error, socket) => socket.destroy())
  return server

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const target = parseTarget(request.url ?? '')
      const { route, params, rest } = found(router.find(request.method ?? '', target))
      await allow(route, request)
      const query = rest === '' ? parseQuery(target.search) : NO_QUERY
      const result = await route.handler({ request, response, params, query, rest })
      if (!response.headersSent) sendJson(response, result)
    } catch (error) {
      refuse(request, response, error)
    }
  }

  async function upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    socket.on('error', () => socket.destroy())
    try {
      const target = parseTarget(request.url ?? '')
      const { route, params, rest } = found(router.findUpgrade(target))
      await allow(route, request)
      const query = rest === '' ? parseQuery(target.search) : NO_QUERY
      await route.handler({ request, socket, head, params, query, rest })
    } catch (error) {
      const failure = named(error)
      const body = JSON.stringify(failure)
      socket.end(
        `HTTP/1.1 ${failure.status} Refused\r\ncontent-type: application/json\r\n` +
          `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
      )
    }
  }
}

/** What `*` matched is another server's business, its query too. */
const NO_QUERY: ReadonlyMap<string, string> = new Map()

const found = <H>(match: Match<H> | undefined): Match<H> => {
  if (!match) throw new Failure('not_found', 'The sidekick has no such address or method.')
  return match
}

const sendJson = (response: ServerResponse, result: unknown): void => {
  if (result === undefined) {
    response.writeHead(204).end()
    return
  }
  response.setHeader('content-type', 'application/json')
  response.end(JSON.stringify(result))
}

const refuse = (request: IncomingMessage, response: ServerResponse, error: unknown): void => {
  const failure = named(error)
  // Too late for a status: a cut stream is the only honest sign of a failure.
  if (response.headersSent) return void response.destroy()
  response.statusCode = failure.status
  drain(request)
  sendJson(response, failure)
}

/** Reads on past a refusal, so that the sender gets to see it; one that sends very much more is cut off. */
const drain = (request: IncomingMessage): void => {
  let left = DRAIN_BYTES
  request.on('data', (bytes: Buffer) => {
    left -= bytes.length
    if (left < 0) request.destroy()
  })
}

const named = (error: unknown): Failure => {
  const failure = toFailure(error)
  if (failure.code === 'internal')
    log('request failed', { error: error instanceof Error ? error.stack : String(error) })
  return failure
}
