import type { WebSocket } from 'ws'
import type { Reader } from '../fanout.ts'
import { CLOSE_SLOW, FLOW_WINDOW_BYTES } from '../protocol.ts'
import { signalNamed } from '../signals.ts'
import {
  exitFrame,
  helloFrame,
  inputAckFrame,
  outputFrame,
  parseClientFrame,
  truncatedFrame,
} from './frames.ts'
import type { Terminal } from './terminal.ts'

/** More than this in the socket's own queue is memory that the ring already holds. */
const SOCKET_BUFFER_BYTES = 128 * 1024
const INPUT_HIGH_BYTES = 256 * 1024
const HELD_FRAMES = 4096

/** One WebSocket on one terminal: its place in the output, its input, its pace. */
export class TerminalClient implements Reader {
  position: number
  readonly #terminal: Terminal
  readonly #socket: WebSocket
  readonly #name: string
  readonly #touched: () => void
  readonly #offDrain: () => void
  #acked: number
  #held: Buffer[] = []
  #frozen = false

  /** `offset`: where the client's copy ends; the ring's earliest when undefined or of another attempt. */
  constructor(
    terminal: Terminal,
    socket: WebSocket,
    options: { name: string; offset: number | undefined; touched: () => void },
  ) {
    this.#terminal = terminal
    this.#socket = socket
    this.#name = options.name
    this.#touched = options.touched
    const { earliest, end } = terminal.output
    this.position = Math.min(options.offset ?? earliest, end)
    this.#acked = this.position
    this.#offDrain = terminal.onDrain(() => this.#releaseHeld())
    socket.send(
      helloFrame({
        terminalId: terminal.id,
        attempt: terminal.attempt,
        client: options.name,
        offset: this.position,
        earliest,
        end,
        ...terminal.size,
        lastInputId: terminal.lastInputId(options.name),
      }),
    )
    socket.on('message', (data: Buffer, isBinary) => this.#receive(data, isBinary))
    socket.on('close', () => this.#detach())
    terminal.attach(this)
  }

  room(): number {
    const window = FLOW_WINDOW_BYTES - (this.position - this.#acked)
    return Math.min(window, SOCKET_BUFFER_BYTES - this.#socket.bufferedAmount)
  }

  output(offset: number, bytes: Buffer): void {
    this.#socket.send(outputFrame(offset, bytes), () => this.#terminal.output.pump(this))
  }

  truncated(from: number, to: number): void {
    // What is gone cannot be acknowledged: the window starts anew behind the gap.
    this.#acked = Math.max(this.#acked, to)
    this.#socket.send(truncatedFrame(from, to))
  }

  ended(): void {
    if (this.#terminal.exit) this.#socket.send(exitFrame(this.#terminal.exit))
    this.#socket.close(1000, 'exited')
  }

  /** While frozen nothing is read; what came already waits, unacknowledged. */
  freeze(frozen: boolean): void {
    this.#frozen = frozen
    if (frozen) this.#socket.pause()
    else this.#releaseHeld()
  }

  #mustWait(): boolean {
    return this.#frozen || this.#terminal.pendingInputBytes > INPUT_HIGH_BYTES
  }

  #receive(data: Buffer, isBinary: boolean): void {
    if (!isBinary) return this.#socket.close(1003, 'binary frames only')
    if (this.#held.length === 0 && !this.#mustWait()) return this.#apply(data)
    // The socket stops here; only what its parser already had may still come.
    this.#socket.pause()
    this.#held.push(data)
    if (this.#held.length > HELD_FRAMES) this.#socket.close(CLOSE_SLOW, 'input too fast')
  }

  #releaseHeld(): void {
    while (this.#held.length > 0 && !this.#mustWait()) this.#apply(this.#held.shift()!)
    if (this.#held.length === 0 && !this.#mustWait() && this.#socket.isPaused) this.#socket.resume()
  }

  #apply(data: Buffer): void {
    try {
      this.#act(data)
    } catch (error) {
      this.#socket.close(1007, error instanceof Error ? error.message.slice(0, 120) : 'bad frame')
    }
  }

  #act(data: Buffer): void {
    const frame = parseClientFrame(data)
    switch (frame.type) {
      case 'input': {
        const applied = this.#terminal.type(this.#name, frame.inputId, frame.bytes)
        this.#touched()
        return this.#socket.send(inputAckFrame(applied))
      }
      case 'resize':
        if (frame.cols > 0 && frame.rows > 0)
          this.#terminal.resize({ cols: frame.cols, rows: frame.rows })
        return
      case 'outputAck':
        this.#acked = Math.max(this.#acked, Math.min(frame.offset, this.position))
        return this.#terminal.output.pump(this)
      case 'signal':
        this.#touched()
        return this.#terminal.signal(signalNamed(frame.signal))
    }
  }

  #detach(): void {
    this.#offDrain()
    this.#held = []
    this.#terminal.output.remove(this)
  }
}
