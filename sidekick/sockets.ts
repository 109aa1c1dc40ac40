import type { WebSocket } from 'ws'
import { PING_INTERVAL_MS } from './protocol.ts'

const CLOSE_WITHIN_MS = 2000

/** Every WebSocket of the sidekick: pinged so that half-open ones go, closed together at the end. */
export class Sockets {
  readonly #alive = new Map<WebSocket, boolean>()
  readonly #closers = new Set<(code: number, reason: string) => void>()
  readonly #timer: NodeJS.Timeout

  constructor(pingIntervalMs = PING_INTERVAL_MS) {
    this.#timer = setInterval(() => this.#ping(), pingIntervalMs)
    this.#timer.unref()
  }

  get size(): number {
    return this.#alive.size + this.#closers.size
  }

  add(socket: WebSocket): void {
    const alive = () => this.#alive.set(socket, true)
    alive()
    socket.on('pong', alive)
    socket.on('message', alive)
    socket.on('error', () => socket.terminate())
    socket.on('close', () => this.#alive.delete(socket))
  }

  /** A connection that closes in its own way; returns how to forget it. */
  addCloser(close: (code: number, reason: string) => void): () => void {
    this.#closers.add(close)
    return () => this.#closers.delete(close)
  }

  closeAll(code: number, reason: string): void {
    for (const close of [...this.#closers]) close(code, reason)
    for (const socket of this.#alive.keys()) {
      if (socket.isPaused) socket.resume() // else the answer to our close is never read
      socket.close(code, reason)
      setTimeout(() => socket.terminate(), CLOSE_WITHIN_MS).unref()
    }
  }

  #ping(): void {
    for (const [socket, alive] of this.#alive) {
      // A socket we stopped reading cannot show us its pong.
      if (!alive && !socket.isPaused) {
        socket.terminate()
        continue
      }
      this.#alive.set(socket, false)
      socket.ping()
    }
  }
}
