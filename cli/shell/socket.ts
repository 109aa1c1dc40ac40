import WebSocket from 'ws'
import type { Client } from '../../sdk/client.ts'
import type { Socket } from '../../sdk/terminal-socket.ts'
import { PING_INTERVAL_MS, TERMINAL_PROTOCOL } from '../../sidekick/protocol.ts'

/** Two pings missed and a bit: the line is dead even if nobody said so. */
const SILENCE_MS = 2 * PING_INTERVAL_MS + 10_000

/** A terminal's socket with the caller's own token, and a pulse: silent lines are cut. */
export const openTerminalSocket = async (
  client: Client,
  computeId: string,
  query: URLSearchParams,
): Promise<Socket> => {
  const url = new URL(`/compute/${computeId}/terminal?${query}`, client.gateway.origin)
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:'
  const token = await client.gateway.auth.token()
  const socket = new WebSocket(url, [TERMINAL_PROTOCOL], {
    headers: { authorization: `Bearer ${token}` },
    perMessageDeflate: false,
    handshakeTimeout: 15_000,
  })
  let pulse: NodeJS.Timeout | undefined
  const beat = () => {
    clearTimeout(pulse)
    pulse = setTimeout(() => socket.terminate(), SILENCE_MS)
  }
  socket.on('open', beat).on('ping', beat).on('message', beat)
  socket.on('close', () => clearTimeout(pulse))
  return socket as unknown as Socket
}
