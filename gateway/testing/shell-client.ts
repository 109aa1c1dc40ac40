/** A terminal through the gateway as the SDK opens it, with everything it saw. */
import WebSocket from 'ws'
import { openTerminal, type TerminalStatus } from '../../sdk/terminal.ts'
import type { Socket } from '../../sdk/terminal-socket.ts'
import { TERMINAL_PROTOCOL } from '../../sidekick/protocol.ts'

export interface ShellClient {
  type(text: string): void
  readonly text: string
  /** Bytes shown, and ranges that were announced as gone. */
  readonly shownBytes: number
  readonly truncated: readonly { readonly from: number; readonly to: number }[]
  readonly attaches: number
  readonly status: TerminalStatus
  sees(pattern: RegExp, withinMs?: number): Promise<void>
  /** The network is gone: the socket drops and no other opens until `online`. */
  offline(): void
  online(): void
  detach(): void
}

export const openShellClient = async (at: {
  readonly port: number
  readonly computeId: string
  readonly token: string
  readonly terminalId?: string
}): Promise<ShellClient> => {
  const decoder = new TextDecoder()
  const truncated: { from: number; to: number }[] = []
  let text = ''
  let shownBytes = 0
  let attaches = 0
  let status: TerminalStatus = { state: 'connecting', attempt: 0 }
  let socket: WebSocket | undefined
  let isOnline = true
  const terminal = openTerminal({
    terminalId: at.terminalId ?? 'main',
    cols: 200,
    rows: 50,
    open: async (query) => {
      if (!isOnline) throw new Error('offline')
      const url = `ws://127.0.0.1:${at.port}/compute/${at.computeId}/terminal?${query}`
      socket = new WebSocket(url, [TERMINAL_PROTOCOL], {
        headers: { authorization: `Bearer ${at.token}` },
      })
      return socket as unknown as Socket
    },
    verdict: async () => (isOnline ? 'attach' : 'wait'),
    onOutput: (bytes, done) => {
      shownBytes += bytes.length
      text += decoder.decode(bytes, { stream: true })
      done()
    },
    onTruncated: (from, to) => truncated.push({ from, to }),
    onStatus: (next) => {
      status = next
      if (next.state === 'open') attaches += 1
    },
  })
  terminal.connect()
  const client: ShellClient = {
    type: (input) => terminal.write(input),
    get text() {
      return text
    },
    get shownBytes() {
      return shownBytes
    },
    truncated,
    get attaches() {
      return attaches
    },
    get status() {
      return status
    },
    async sees(pattern, withinMs = 15_000) {
      const deadline = Date.now() + withinMs
      while (!pattern.test(text)) {
        if (Date.now() > deadline)
          throw new Error(`${pattern} not in ${JSON.stringify(status)} ${text.slice(-1_000)}`)
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
    },
    offline() {
      isOnline = false
      socket?.terminate()
    },
    online() {
      isOnline = true
    },
    detach: () => terminal.detach(),
  }
  await client.sees(/\$|#/)
  return client
}
