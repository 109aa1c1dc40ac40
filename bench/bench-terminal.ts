import { openTerminal } from '../sdk/terminal.ts'
import type { Socket } from '../sdk/terminal-socket.ts'

export type OpenSocket = (query: URLSearchParams) => Promise<Socket>

export interface BenchTerminal {
  type(text: string): void
  /** Resolves in the turn in which the mark arrived. */
  until(mark: string): Promise<void>
  close(): void
}

export const openBenchTerminal = (open: OpenSocket): BenchTerminal => {
  let seen = ''
  let wake: () => void = () => {}
  const decoder = new TextDecoder()
  const handle = openTerminal({
    terminalId: `bench-${Math.random().toString(36).slice(2)}`,
    cols: 120,
    rows: 40,
    open,
    verdict: async () => 'attach',
    onOutput: (bytes, done) => {
      seen = (seen + decoder.decode(bytes, { stream: true })).slice(-4_096)
      done()
      wake()
    },
    onStatus: () => {},
  })
  handle.connect()
  return {
    type: (text) => handle.write(text),
    async until(mark) {
      while (!seen.includes(mark)) await new Promise<void>((resolve) => (wake = resolve))
    },
    close: () => handle.detach(),
  }
}
