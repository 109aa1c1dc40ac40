import { request as httpRequest, type Agent, type IncomingMessage } from 'node:http'
import type { Duplex, Readable } from 'node:stream'
import { Refusal } from './refusal.ts'
import { DialError } from './sidekick-dial.ts'

const BROKE_OFF = 'The compute broke off without an answer; the request may have had its effect.'
const NO_HTTP = 'The compute answered with something that is no HTTP answer; see what runs in it.'

export interface Onward {
  readonly agent: Agent
  readonly method: string
  readonly path: string
  /** Flat name, value list. */
  readonly headers: readonly string[]
  /** null: none. Read only once there is a connection, so that a failed dial has consumed nothing. */
  readonly body: Readable | null
  /** Whether the headers ask for a WebSocket. */
  readonly upgrade: boolean
  readonly signal: AbortSignal
}

export interface Switched {
  readonly answer: IncomingMessage
  readonly socket: Duplex
  readonly head: Buffer
}

/** The sidekick answered with a status of its own instead of switching to a WebSocket. */
export type Exchanged = { readonly answer: IncomingMessage } | Switched

/**
 * One request to a sidekick, up to its answer's head: of status 200 or more, or a switch that was
 * asked for. Rejects with Refusal, and with DialError only when nothing of
 * the request was sent or, on a kept connection that had just ended, when repeating it is harmless.
 */
export const exchange = (onward: Onward): Promise<Exchanged> =>
  new Promise((resolve, reject) => {
    const { agent, method, path, headers, body, upgrade, signal } = onward
    const request = httpRequest({
      agent,
      method,
      path,
      headers: headers as unknown as Record<string, string>,
      setHost: false,
      signal,
    })
    const harmless = body === null && (method === 'GET' || method === 'HEAD')
    // Not once: it may fail again after its answer, and an error nobody hears ends the process.
    request.on('error', (error) => {
      const stale = request.reusedSocket && harmless && !signal.aborted
      if (error instanceof DialError || signal.aborted) reject(error)
      else if (stale) reject(new DialError('a kept connection had ended', { cause: error }))
      else reject(new Refusal('SidekickUnreachable', BROKE_OFF))
    })
    const refuse = (connection: { destroy(): unknown }) => {
      connection.destroy()
      reject(new Refusal('SidekickUnreachable', NO_HTTP))
    }
    request.once('response', (answer) => {
      answer.on('error', () => {})
      // Also 101: a proxy before us would take what follows for another protocol.
      if ((answer.statusCode ?? 0) < 200) refuse(answer)
      else resolve({ answer })
    })
    request.once('upgrade', (answer, socket, head) => {
      socket.on('error', () => socket.destroy())
      if (upgrade) resolve({ answer, socket, head })
      else refuse(socket)
    })
    request.once('socket', () => {
      if (body === null) request.end()
      else body.pipe(request)
    })
    request.setNoDelay(true)
  })
