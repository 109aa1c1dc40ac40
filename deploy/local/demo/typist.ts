import WebSocket from 'ws'
import type { Client } from '../../../sdk/client.ts'
import { openTerminal } from '../../../sdk/terminal.ts'
import type { Socket } from '../../../sdk/terminal-socket.ts'
import { verdictOn } from '../../../sdk/verdict.ts'
import { TERMINAL_PROTOCOL } from '../../../sidekick/protocol.ts'
import { Untrue } from './steps.ts'

export interface Typist {
  type(text: string): void
  /** All output so far, once it matches. */
  sees(pattern: RegExp): Promise<string>
  /** How the terminal stands: `open`, `hibernated`, … */
  state(): string
  leave(): void
}

const PATIENCE_MS = 60_000

/** A person at a terminal. Opening it is an intent: it wakes what sleeps. */
export const sitDown = (client: Client, computeId: string): Typist => {
  let seen = ''
  let state = 'connecting'
  const decoder = new TextDecoder()
  const terminal = openTerminal({
    terminalId: 'main',
    cols: 100,
    rows: 30,
    open: async (query) => {
      const url = new URL(`/compute/${computeId}/terminal?${query}`, client.gateway.origin)
      url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:'
      const token = await client.gateway.auth.token()
      return new WebSocket(url, [TERMINAL_PROTOCOL], {
        headers: { authorization: `Bearer ${token}` },
      }) as unknown as Socket
    },
    verdict: () => verdictOn(client, computeId),
    onOutput: (bytes, done) => {
      seen += decoder.decode(bytes, { stream: true })
      done()
    },
    onStatus: (status) => (state = status.state),
  })
  terminal.connect()
  return {
    type: (text) => terminal.write(text),
    state: () => state,
    leave: () => terminal.detach(),
    sees: async (pattern) => {
      const deadline = Date.now() + PATIENCE_MS
      while (!pattern.test(seen)) {
        if (Date.now() > deadline)
          throw new Untrue(
            `the terminal (${state}) shows ${pattern}; it shows: ${seen.slice(-500)}`,
          )
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
      return seen
    },
  }
}
