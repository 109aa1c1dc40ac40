import { randomUUID } from 'node:crypto'
import { Fanout, type Reader } from '../fanout.ts'
import { TERMINAL_RING_BYTES, type TerminalInfo } from '../protocol.ts'
import { signalGroup } from '../signals.ts'
import { PtyInput } from './pty-input.ts'
import { foregroundGroup, startPty, type Pty, type Shell, type Size } from './pty.ts'

const CLIENTS_REMEMBERED = 1024
const KILL_AFTER_MS = 2000

export interface TerminalEvents {
  output(terminal: Terminal): void
  exited(terminal: Terminal): void
}

/** One shell: its PTY, what it printed, and the last input id of every client there ever was. */
export class Terminal {
  readonly id: string
  readonly attempt = randomUUID()
  readonly createdAt = new Date().toISOString()
  readonly output: Fanout
  readonly #pty: Pty
  readonly #input: PtyInput
  readonly #lastInputIds = new Map<string, number>()
  readonly #drainListeners = new Set<() => void>()
  #size: Size
  #exit: { exitCode: number; signal: number | null } | undefined

  constructor(id: string, shell: Shell, size: Size, events: TerminalEvents) {
    this.id = id
    this.#size = size
    const pty = startPty(shell, size)
    this.#pty = pty
    this.output = new Fanout(TERMINAL_RING_BYTES, pty)
    this.#input = new PtyInput(pty.fd, () => {
      for (const listener of this.#drainListeners) listener()
    })
    pty.onData((bytes) => {
      this.output.append(bytes)
      events.output(this)
    })
    pty.onExit((exit) => {
      this.#exit = exit
      this.#input.dispose()
      this.output.finish()
      events.exited(this)
    })
  }

  get exit() {
    return this.#exit
  }
  get size(): Size {
    return this.#size
  }
  get pendingInputBytes(): number {
    return this.#input.pendingBytes
  }

  lastInputId(client: string): number {
    return this.#lastInputIds.get(client) ?? 0
  }

  /** Types the bytes unless this client's id was seen before; returns the highest id applied. */
  type(client: string, inputId: number, bytes: Buffer): number {
    const last = this.lastInputId(client)
    if (inputId <= last) return last
    this.#input.push(bytes)
    this.#lastInputIds.delete(client) // to the end: the map's order is that of last use
    this.#lastInputIds.set(client, inputId)
    if (this.#lastInputIds.size > CLIENTS_REMEMBERED)
      this.#lastInputIds.delete(this.#lastInputIds.keys().next().value!)
    return inputId
  }

  resize(size: Size): void {
    this.#size = size
    this.#pty.resize(size)
  }

  /** To whatever runs in the foreground, past any input that waits. */
  signal(signal: NodeJS.Signals): void {
    if (!this.#exit) signalGroup(foregroundGroup(this.#pty.pid), signal)
  }

  /** Hangs up, as closing a terminal window does; what is still there after 2 s is killed. */
  hangUp(): void {
    if (this.#exit) return
    signalGroup(foregroundGroup(this.#pty.pid), 'SIGHUP')
    signalGroup(this.#pty.pid, 'SIGHUP')
    setTimeout(() => !this.#exit && signalGroup(this.#pty.pid, 'SIGKILL'), KILL_AFTER_MS).unref()
  }

  onDrain(listener: () => void): () => void {
    this.#drainListeners.add(listener)
    return () => this.#drainListeners.delete(listener)
  }

  attach(reader: Reader): void {
    this.output.add(reader)
  }

  info(): TerminalInfo {
    return {
      id: this.id,
      attempt: this.attempt,
      pid: this.#pty.pid,
      clients: this.output.readers,
      offset: this.output.end,
      createdAt: this.createdAt,
      ...(this.#exit && { exited: this.#exit }),
    }
  }
}
