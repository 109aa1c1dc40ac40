import type { WebSocket } from 'ws'
import { TERMINAL_PROTOCOL, TerminalFrame, type TerminalHello } from '../protocol.ts'
import type { StartedSidekick } from './sidekick.ts'

/** For tests: one attached client that acknowledges what it gets, unless told not to. */
export class TerminalTestClient {
  readonly socket: WebSocket
  readonly chunks: { offset: number; bytes: Buffer }[] = []
  readonly truncations: { from: number; to: number }[] = []
  readonly notices: string[] = []
  receivedBytes = 0
  hello: TerminalHello | undefined
  exit: { exitCode: number; signal: number | null } | undefined
  acked = 0
  closed: { code: number; reason: string } | undefined
  #tail = ''
  #nextInput = 1

  private constructor(socket: WebSocket, acknowledge: boolean) {
    this.socket = socket
    socket.on('close', (code, reason) => (this.closed = { code, reason: reason.toString() }))
    socket.on('error', () => {})
    socket.on('message', (data: Buffer) => {
      const payload = data.subarray(1)
      const number = (at: number) => Number(payload.readBigUInt64BE(at))
      switch (data[0]) {
        case TerminalFrame.hello:
          this.hello = JSON.parse(payload.toString()) as TerminalHello
          this.#nextInput = this.hello.lastInputId + 1
          return
        case TerminalFrame.output: {
          const bytes = payload.subarray(8)
          this.receivedBytes += bytes.length
          this.#tail = (this.#tail + bytes.toString()).slice(-100_000)
          if (this.chunks.length < 10_000) this.chunks.push({ offset: number(0), bytes })
          if (acknowledge) this.ack(number(0) + bytes.length)
          return
        }
        case TerminalFrame.truncated:
          this.truncations.push({ from: number(0), to: number(8) })
          return
        case TerminalFrame.exit:
          this.exit = JSON.parse(payload.toString()) as typeof this.exit
          return
        case TerminalFrame.inputAck:
          this.acked = number(0)
          return
        case TerminalFrame.notice:
          this.notices.push(payload.toString())
          return
        default:
          throw new Error(`unknown frame ${data[0]}`)
      }
    })
  }

  static async attach(
    sidekick: StartedSidekick,
    query: string,
    { acknowledge = true }: { acknowledge?: boolean } = {},
  ): Promise<TerminalTestClient> {
    const socket = await sidekick.webSocket(`/v1/terminal?${query}`, [TERMINAL_PROTOCOL])
    const client = new TerminalTestClient(socket, acknowledge)
    await client.until(() => client.hello !== undefined, 'hello')
    return client
  }

  get text(): string {
    return this.#tail
  }
  get end(): number {
    const last = this.chunks.at(-1)
    return last ? last.offset + last.bytes.length : (this.hello?.offset ?? 0)
  }

  type(text: string, inputId = this.#nextInput): void {
    this.#nextInput = Math.max(this.#nextInput, inputId + 1)
    const head = Buffer.alloc(9)
    head[0] = TerminalFrame.input
    head.writeBigUInt64BE(BigInt(inputId), 1)
    this.socket.send(Buffer.concat([head, Buffer.from(text)]))
  }

  ack(offset: number): void {
    const frame = Buffer.alloc(9)
    frame[0] = TerminalFrame.outputAck
    frame.writeBigUInt64BE(BigInt(offset), 1)
    if (this.socket.readyState === this.socket.OPEN) this.socket.send(frame)
  }

  resize(cols: number, rows: number): void {
    const frame = Buffer.alloc(5)
    frame[0] = TerminalFrame.resize
    frame.writeUInt16BE(cols, 1)
    frame.writeUInt16BE(rows, 3)
    this.socket.send(frame)
  }

  signal(name: string): void {
    this.socket.send(Buffer.concat([Buffer.from([TerminalFrame.signal]), Buffer.from(name)]))
  }

  clear(): void {
    this.#tail = ''
  }

  shows(text: string, withinMs = 20_000): Promise<void> {
    return this.until(() => this.#tail.includes(text), JSON.stringify(text), withinMs)
  }

  async until(holds: () => boolean, what: string, withinMs = 20_000): Promise<void> {
    const deadline = Date.now() + withinMs
    while (!holds()) {
      if (Date.now() > deadline)
        throw new Error(
          `no ${what} within ${withinMs} ms; closed: ${JSON.stringify(this.closed)}; last: ${this.#tail.slice(-300)}`,
        )
      await new Promise((done) => setTimeout(done, 5))
    }
  }

  /** Drops the connection as a lost network does: without a word. */
  drop(): void {
    this.socket.terminate()
  }
}
