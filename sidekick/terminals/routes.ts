import { randomUUID } from 'node:crypto'
import { WebSocketServer } from 'ws'
import { queryWhole } from '../body.ts'
import type { SidekickContext } from '../context.ts'
import { Failure } from '../errors.ts'
import { TERMINAL_PROTOCOL } from '../protocol.ts'
import type { Router } from '../router.ts'
import type { Sockets } from '../sockets.ts'
import { TerminalClient } from './client.ts'
import { noticeFrame } from './frames.ts'
import type { Terminals } from './registry.ts'

const NAME = /^[A-Za-z0-9._-]{1,64}$/
const MOST_CLIENTS = 64
const LARGEST_FRAME_BYTES = 256 * 1024

/** Terminal routes. Returns what shows a notice in every terminal. */
export const registerTerminals = (
  router: Router,
  context: SidekickContext,
  terminals: Terminals,
  sockets: Sockets,
): ((text: string) => void) => {
  const { life, activity } = context
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: LARGEST_FRAME_BYTES,
    perMessageDeflate: false,
    handleProtocols: () => TERMINAL_PROTOCOL,
  })
  const clients = new Map<TerminalClient, (text: string) => void>()
  life.onChange((now) => {
    if (now === 'retired') return
    for (const client of clients.keys()) client.freeze(now === 'frozen')
  })

  router.onUpgrade('/v1/terminal', { scope: 'use', during: ['open'] }, (call) => {
    const { query, request } = call
    const id = named(query.get('id') ?? 'main', 'id')
    const name = named(query.get('client') ?? randomUUID(), 'client')
    const cols = queryWhole(query, 'cols', 1, 1000) ?? 80
    const rows = queryWhole(query, 'rows', 1, 1000) ?? 24
    const offset = queryWhole(query, 'offset')
    const attempt = query.get('attempt')
    if (!offers(request.headers['sec-websocket-protocol'], TERMINAL_PROTOCOL))
      throw new Failure('invalid', `Ask for the WebSocket subprotocol ${TERMINAL_PROTOCOL}.`)
    const terminal = terminals.getOrStart(id, attempt, { cols, rows })
    if (terminal.output.readers >= MOST_CLIENTS)
      throw new Failure('no_space', `${MOST_CLIENTS} clients are on this terminal already.`)
    server.handleUpgrade(request, call.socket, call.head, (socket) => {
      sockets.add(socket)
      // An offset counts bytes of one attempt; of another it would skip or repeat.
      const sameAttempt = attempt === undefined || attempt === terminal.attempt
      const client = new TerminalClient(terminal, socket, {
        name,
        offset: sameAttempt ? offset : undefined,
        touched: () => activity.touch(`terminal:${id}`),
      })
      clients.set(client, (text) => socket.send(noticeFrame(text)))
      socket.on('close', () => clients.delete(client))
      if (!terminal.exit && query.has('cols') && query.has('rows')) terminal.resize({ cols, rows })
    })
  })

  router.on('GET', '/v1/terminals', { scope: 'use', during: ['open', 'frozen'] }, () =>
    terminals.list().map((terminal) => terminal.info()),
  )

  router.on('DELETE', '/v1/terminals/:id', { scope: 'use', during: ['open'] }, ({ params }) => {
    terminals.remove(params['id'] ?? '')
  })

  return (text) => {
    for (const show of clients.values()) show(text)
  }
}

const named = (value: string, what: string): string => {
  if (!NAME.test(value))
    throw new Failure('invalid', `\`${what}\` must be 1 to 64 of A-Z a-z 0-9 . _ -`)
  return value
}

const offers = (header: string | undefined, protocol: string): boolean =>
  (header ?? '').split(',').some((offered) => offered.trim() === protocol)
