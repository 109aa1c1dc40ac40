import { request as httpRequest, type Agent, type IncomingMessage } from 'node:http'
import type { Duplex, Readable } from 'node:stream'
import { Refusal } from './refusal.ts'
import { DialError } from './sidekick-dial.ts'

const BROKE_OFF = 'The compute broke off without an answer; the request may have had its effect.'

export interface Onward {
  readonly agent: Agent
  readonly method: string
  readonly path: string
  /** Flat name, value list. */
  readonly headers: readonly string[]
  /** null: none. Read only once there is a connection, so that a failed dial has consumed nothing. */
  readonly body: Readable | null
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
 * One request to a sidekick, up to its answer's head. Rejects with DialError only when nothing of
 * the request was sent or, on a kept connection that had just ended, when repeating it is harmless.
 */
export const exchange = (onward: Onward): Promise<Exchanged> =>
  new Promise((resolve, reject) => {
    const { agent, method, path, headers, body, signal } = onward
    const request = httpRequest({
      agent,
      method,
      path,
      headers: headers as unknown as Record<string, string>,
      setHost: false,
      signal,
    })
    const harmless = body === null && (method === 'GET' || method === 'HEAD')
    request.once('error', (error) => {
      const stale = request.reusedSocket && harmless && !signal.aborted
      if (error instanceof DialError || signal.aborted) reject(error)
      else if (stale) reject(new DialError('a kept connection had ended', { cause: error }))
      else reject(new Refusal('SidekickUnreachable', BROKE_OFF))
    })
    request.once('response', (answer) => resolve({ answer }))
    request.once('upgrade', (answer, socket, head) => resolve({ answer, socket, head }))
    request.once('socket', () => {
      if (body === null) request.end()
      else body.pipe(request)
    })
    request.setNoDelay(true)
  })
