import type { Terminal as Xterm } from '@xterm/xterm'
import type { Socket } from '../../sdk/terminal-socket.ts'
import { openTerminal, type Terminal, type TerminalStatus } from '../../sdk/terminal.ts'
import { verdictOn } from '../../sdk/verdict.ts'
import { TERMINAL_PROTOCOL } from '../../sidekick/protocol.ts'
import { client } from '../ground/client.ts'

/** Answers of the drawn terminal to questions in old output: typed now they would be garbage. */
const TERMINAL_ANSWER = /^\u001b(\[[?>=]?[\d;]*[cRnty]|[\]P])/

/**
 * Joins a drawn terminal to one in a compute. Sockets of a page wake nothing at the gateway; a new
 * ticket is fetched for every socket.
 */
export const linkTerminal = (
  xterm: Xterm,
  computeId: string,
  onStatus: (status: TerminalStatus) => void,
): Terminal & { dispose(): void } => {
  let replaying = true
  const aside = (text: string) => xterm.write(`\r\n\u001b[2m[dormouse: ${text}]\u001b[0m\r\n`)
  const terminal = openTerminal({
    terminalId: 'main',
    cols: xterm.cols,
    rows: xterm.rows,
    open: async (query) => {
      const door = await client.door({ compute_id: computeId, purpose: 'terminal' })
      const protocols = [TERMINAL_PROTOCOL, `ticket.${door.ticket}`]
      return new WebSocket(`${door.url}?${query}`, protocols) as unknown as Socket
    },
    verdict: () => verdictOn(client, computeId),
    onOutput: (bytes, done) => xterm.write(bytes, done),
    onStatus,
    onReplayed: () => xterm.write('', () => (replaying = false)),
    onTruncated: (from, to) => aside(`${to - from} bytes of output were lost`),
    onNotice: aside,
    onRestart: () => {
      replaying = true
      xterm.reset()
    },
  })
  const typed = (text: string) => {
    if (!(replaying && TERMINAL_ANSWER.test(text))) terminal.write(text)
  }
  const handlers = [
    xterm.onData(typed),
    xterm.onBinary((text) =>
      terminal.write(Uint8Array.from(text, (character) => character.charCodeAt(0))),
    ),
    xterm.onResize(({ cols, rows }) => terminal.resize(cols, rows)),
  ]
  return {
    ...terminal,
    dispose: () => {
      for (const handler of handlers) handler.dispose()
      terminal.detach()
    },
  }
}
