import { writeSync } from 'node:fs'
import { errno } from '../errors.ts'

const RETRY_FIRST_MS = 4
const RETRY_MOST_MS = 64

/**
 * Bytes on their way into a PTY. A program that does not read fills the kernel's buffer; node-pty's
 * own queue then spins a core, so this one waits between tries.
 */
export class PtyInput {
  /** The PTY's descriptor; undefined once it is closed, when the number may belong to another file. */
  readonly #fd: () => number | undefined
  readonly #drained: () => void
  #queue: Buffer[] = []
  #pendingBytes = 0
  #retryMs = RETRY_FIRST_MS
  #timer: NodeJS.Timeout | undefined

  constructor(fd: () => number | undefined, drained: () => void) {
    this.#fd = fd
    this.#drained = drained
  }

  get pendingBytes(): number {
    return this.#pendingBytes
  }

  push(bytes: Buffer): void {
    if (bytes.length === 0) return
    this.#queue.push(bytes)
    this.#pendingBytes += bytes.length
    if (!this.#timer) this.#write()
  }

  dispose(): void {
    clearTimeout(this.#timer)
    this.#queue = []
    this.#pendingBytes = 0
  }

  #write(): void {
    this.#timer = undefined
    for (let bytes = this.#queue[0]; bytes; bytes = this.#queue[0]) {
      const fd = this.#fd()
      if (fd === undefined) return this.dispose()
      const written = tryWrite(fd, bytes)
      if (written === undefined) return this.dispose()
      if (written === 0) {
        this.#timer = setTimeout(() => this.#write(), this.#retryMs)
        this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MOST_MS)
        return
      }
      this.#retryMs = RETRY_FIRST_MS
      this.#pendingBytes -= written
      if (written < bytes.length) this.#queue[0] = bytes.subarray(written)
      else this.#queue.shift()
    }
    this.#drained()
  }
}

/** 0 when the kernel has no room now, undefined when the PTY is gone. The descriptor never blocks. */
const tryWrite = (fd: number, bytes: Buffer): number | undefined => {
  try {
    return writeSync(fd, bytes)
  } catch (error) {
    return errno(error) === 'EAGAIN' ? 0 : undefined
  }
}
