import { STATUS_CODES } from 'node:http'
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { isNavigation } from './intent.ts'
import { errorPage } from './error-page.ts'
import type { Refusal } from './refusal.ts'

/** A refusal as the one who asked can read it: a page for a navigation, problem+json for a program. */
export const renderRefusal = (
  refusal: Refusal,
  headers: IncomingHttpHeaders,
): { readonly status: number; readonly headers: Record<string, string>; readonly body: string } => {
  const { status, code } = refusal
  const page = isNavigation(headers)
  const body = page ? errorPage(refusal) : JSON.stringify(problem(refusal))
  return {
    status,
    headers: {
      'content-type': page ? 'text/html; charset=utf-8' : 'application/problem+json; charset=utf-8',
      'content-length': String(Buffer.byteLength(body)),
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      ...(page ? { 'content-security-policy': PAGE_POLICY } : {}),
      ...(code === 'Unauthenticated' ? { 'www-authenticate': 'Bearer' } : {}),
      ...(refusal.retryable ? { 'retry-after': '1' } : {}),
      ...refusal.headers,
    },
    body,
  }
}

const PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"

const problem = (refusal: Refusal) => ({
  type: `urn:dormouse:error:${refusal.code.toLowerCase()}`,
  status: refusal.status,
  code: refusal.code,
  title: refusal.title,
  detail: refusal.message,
  retry: refusal.retryable,
  ...refusal.facts,
})

export const answerRefusal = (
  request: IncomingMessage,
  response: ServerResponse,
  refusal: Refusal,
  more: Readonly<Record<string, string>> = {},
): void => {
  // Too late for a status: a cut stream is the only honest sign of a failure.
  if (response.headersSent) return void response.destroy()
  const { status, headers, body } = renderRefusal(refusal, request.headers)
  // What is left of the body is not read: the connection cannot carry another request.
  const close = request.complete ? {} : { connection: 'close' }
  // Nothing that an answer left here which could not be written: no header, and no reason phrase.
  for (const name of response.getHeaderNames())
    if (name !== 'connection') response.removeHeader(name)
  response.writeHead(status, STATUS_CODES[status] ?? '', { ...headers, ...more, ...close })
  response.end(request.method === 'HEAD' ? undefined : body)
}

/** The same on a bare socket, before a WebSocket handshake was answered. */
export const answerSocketRefusal = (
  request: IncomingMessage,
  socket: Duplex,
  refusal: Refusal,
): void => {
  if (socket.destroyed) return
  const { status, headers, body } = renderRefusal(refusal, request.headers)
  const lines = Object.entries({ ...headers, connection: 'close' }).map(
    ([name, value]) => `${name}: ${value}`,
  )
  socket.end(`HTTP/1.1 ${status} ${refusal.title}\r\n${lines.join('\r\n')}\r\n\r\n${body}`)
  setTimeout(() => socket.destroy(), 5_000).unref()
}

/** Runs what answers a failure. When that fails too, the connection is cut and the log says why. Never throws. */
export const answerOrCut = (
  answer: () => void,
  connection: { destroy(): unknown },
  log: (message: string, facts: Readonly<Record<string, unknown>>) => void,
): void => {
  try {
    answer()
  } catch (error) {
    connection.destroy()
    const said = error instanceof Error ? (error.stack ?? error.message) : String(error)
    try {
      log('a failure could not be answered', { error: said })
    } catch {
      // Nothing is left to say it with.
    }
  }
}
