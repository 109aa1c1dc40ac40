import WebSocket from 'ws'
import { openTerminal, type TerminalStatus } from '../../sdk/terminal.ts'
import { TERMINAL_PROTOCOL } from '../../sidekick/protocol.ts'
import type { Socket } from '../../sdk/terminal-socket.ts'
import type { Visitor } from './visitor.ts'

export interface Shell {
  type(text: string): Promise<void>
  /** All output so far. */
  text(): string
  /** Resolves with all output once it matches; rejects with what was seen instead. */
  sees(pattern: RegExp, withinMs?: number): Promise<string>
  status(): TerminalStatus
  /** Drops the socket as a bad network would; the terminal reconnects by itself. */
  drop(): void
  detach(): void
}

/** A terminal as a program opens it: bearer token, reconnecting by offset. */
export const openShell = async (
  visitor: Visitor,
  computeId: string,
  terminalId = 'main',
): Promise<Shell> => {
  const { gateway } = visitor.client
  let seen = ''
  let status: TerminalStatus = { state: 'connecting', attempt: 0 }
  let socket: WebSocket | undefined
  const decoder = new TextDecoder()
  const terminal = openTerminal({
    terminalId,
    cols: 120,
    rows: 40,
    open: async (query) => {
      const url = new URL(`/compute/${computeId}/terminal?${query}`, gateway.origin)
      url.protocol = 'ws:'
      socket = new WebSocket(url, [TERMINAL_PROTOCOL], {
        headers: { authorization: `Bearer ${await gateway.auth.token()}` },
      })
      return socket as unknown as Socket
    },
    verdict: async () => 'attach',
    onOutput: (bytes, done) => {
      seen += decoder.decode(bytes, { stream: true })
      done()
    },
    onStatus: (next) => (status = next),
  })
  terminal.connect()
  const until = async (holds: () => boolean, withinMs: number): Promise<void> => {
    const deadline = Date.now() + withinMs
    while (!holds()) {
      if (Date.now() > deadline)
        throw new Error(`terminal is ${JSON.stringify(status)} and shows: ${seen.slice(-2_000)}`)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }
  await until(() => status.state === 'open', 30_000)
  return {
    type: async (text) => terminal.write(text),
    text: () => seen,
    sees: async (pattern, withinMs = 15_000) => {
      await until(() => pattern.test(seen), withinMs)
      return seen
    },
    status: () => status,
    drop: () => socket?.terminate(),
    detach: () => terminal.detach(),
  }
}

/** How often, and how long at most, the terminal is not open. */
export const watchAway = (shell: Shell) => {
  let times = 0
  let longestMs = 0
  let since: number | undefined
  const timer = setInterval(() => {
    const isOpen = shell.status().state === 'open'
    if (!isOpen && since === undefined) times += 1
    if (!isOpen) since ??= performance.now()
    if (since !== undefined) longestMs = Math.max(longestMs, performance.now() - since)
    if (isOpen) since = undefined
  }, 5)
  return {
    times: () => times,
    stop: () => {
      clearInterval(timer)
      return { times, longestMs }
    },
  }
}
