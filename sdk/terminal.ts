import { CLOSE_HIBERNATED, FLOW_WINDOW_BYTES, type TerminalHello } from '../sidekick/protocol.ts'
import {
  decodeFrame,
  encodeInput,
  encodeOutputAck,
  encodeResize,
  encodeSignal,
  type ServerFrame,
} from './terminal-frames.ts'
import { randomId } from './random-id.ts'
import { dropSocket, sendFrame, startSocket, type Socket } from './terminal-socket.ts'

export type TerminalStatus =
  | { readonly state: 'connecting'; readonly attempt: number }
  | { readonly state: 'open' }
  /** The compute sleeps. Nothing reconnects until `connect()` is called, after a wake. */
  | { readonly state: 'hibernated' }
  | { readonly state: 'exited'; readonly exitCode: number; readonly signal: number | null }
  | { readonly state: 'closed'; readonly why: string }

/** Asked before every reconnect: sockets that only fail say nothing about why. Must not wake. */
export type Verdict = 'attach' | 'wait' | 'hibernated' | { readonly closed: string }

export interface TerminalOptions {
  /** Opens a socket for these query parameters; fetches a ticket first where one is needed. */
  readonly open: (query: URLSearchParams) => Promise<Socket>
  readonly verdict: () => Promise<Verdict>
  readonly terminalId: string
  readonly cols: number
  readonly rows: number
  /** `done` when the bytes were shown: only then is more than the flow window sent. */
  readonly onOutput: (bytes: Uint8Array, done: () => void) => void
  readonly onStatus: (status: TerminalStatus) => void
  /** A new shell stands behind the terminal: offsets start over, unconfirmed input was dropped. */
  readonly onRestart?: (hello: TerminalHello) => void
  readonly onTruncated?: (from: number, to: number) => void
  readonly onNotice?: (text: string) => void
  /** All output from before this attach was given: only now may answers to queries be typed. */
  readonly onReplayed?: () => void
  readonly clientId?: string
}

export interface Terminal {
  connect(): void
  write(data: string | Uint8Array): void
  resize(cols: number, rows: number): void
  signal(name: string): void
  /** Lets go; the shell goes on. */
  detach(): void
}

/**
 * One terminal over any number of sockets. Output is taken up by offset; input carries ids and is
 * kept until confirmed, so a dropped socket neither loses nor doubles a key.
 */
export const openTerminal = (options: TerminalOptions): Terminal => {
  const clientId = options.clientId ?? randomId()
  let size = { cols: options.cols, rows: options.rows }
  let socket: Socket | undefined
  let shell: string | undefined
  /** This socket said hello: before that nothing may overtake the input that is to be sent again. */
  let greeted = false
  let received = 0
  let shown = 0
  let confirmed = 0
  let inputId = 0
  let replayUntil: number | undefined
  let pending: { id: number; bytes: Uint8Array }[] = []
  let failures = 0
  /** The shell exited: the next attach asks for a new one. */
  let ended = false
  let timer: ReturnType<typeof setTimeout> | undefined
  /** Rises at every connect and detach: late callbacks of an older one do nothing. */
  let era = 0

  const send = (frame: Uint8Array<ArrayBuffer>) => sendFrame(socket, frame)

  const connect = (attempt = 0): void => {
    clearTimeout(timer)
    socket?.close()
    socket = undefined
    greeted = false
    const mine = ++era
    options.onStatus({ state: 'connecting', attempt })
    const query = new URLSearchParams({
      id: options.terminalId,
      cols: String(size.cols),
      rows: String(size.rows),
      client: clientId,
      ...(shell === undefined || ended ? {} : { offset: String(received), attempt: shell }),
      ...(attempt > 0 ? { reconnect: '1' } : {}),
    })
    options.open(query).then(
      (opened) => {
        if (mine !== era) return dropSocket(opened)
        socket = opened
        startSocket(opened, {
          onFrame: (bytes) => mine === era && onFrame(bytes),
          onClose: (code, reason) => mine === era && onClose(code, reason),
        })
      },
      () => mine === era && onClose(1006, ''),
    )
  }

  const onFrame = (bytes: Uint8Array): void => {
    const frame = decodeFrame(bytes)
    if (frame === undefined) return
    if (frame.type === 'hello') onHello(frame.hello)
    else if (frame.type === 'output') onOutput(frame)
    else if (frame.type === 'truncated') {
      received = Math.max(received, frame.to)
      options.onTruncated?.(frame.from, frame.to)
    } else if (frame.type === 'inputAck')
      pending = pending.filter((input) => input.id > frame.inputId)
    else if (frame.type === 'notice') options.onNotice?.(frame.text)
    else {
      ended = true
      stop({ state: 'exited', exitCode: frame.exitCode, signal: frame.signal })
    }
  }

  const onHello = (hello: TerminalHello): void => {
    failures = 0
    ended = false
    if (shell !== hello.attempt) {
      const restarted = shell !== undefined
      shell = hello.attempt
      received = shown = confirmed = 0
      // Keys meant for the shell that is gone must not reach another one.
      if (restarted) pending = []
      if (restarted) options.onRestart?.(hello)
    }
    inputId = Math.max(inputId, hello.lastInputId)
    pending = pending.filter((input) => input.id > hello.lastInputId)
    replayUntil = hello.end ?? hello.offset
    options.onStatus({ state: 'open' })
    if (hello.cols !== size.cols || hello.rows !== size.rows)
      send(encodeResize(size.cols, size.rows))
    greeted = true
    for (const input of pending) send(encodeInput(input.id, input.bytes))
    endReplay()
  }

  const onOutput = (frame: Extract<ServerFrame, { type: 'output' }>): void => {
    const skip = Math.max(0, received - frame.offset)
    const bytes = frame.bytes.subarray(skip)
    if (bytes.length === 0) return
    received = frame.offset + frame.bytes.length
    const upTo = received
    const of = shell
    options.onOutput(bytes, () => {
      if (of !== shell) return
      shown = Math.max(shown, upTo)
      if (shown - confirmed < FLOW_WINDOW_BYTES / 8) return
      confirmed = shown
      send(encodeOutputAck(confirmed))
    })
    endReplay()
  }

  const endReplay = (): void => {
    if (replayUntil === undefined || received < replayUntil) return
    replayUntil = undefined
    options.onReplayed?.()
  }

  const onClose = (code: number, reason: string): void => {
    socket = undefined
    if (code === CLOSE_HIBERNATED) return stop({ state: 'hibernated' })
    if (REFUSED.has(code)) return stop({ state: 'closed', why: reason || `refused (${code})` })
    const mine = era
    const waitMs = Math.min(FIRST_WAIT_MS * 2 ** failures, LONGEST_WAIT_MS)
    failures += 1
    options.onStatus({ state: 'connecting', attempt: failures })
    timer = setTimeout(() => void again(mine), waitMs * (0.75 + Math.random() / 2))
  }

  const again = async (mine: number): Promise<void> => {
    const verdict = await options.verdict().catch((): Verdict => 'wait')
    if (mine !== era) return
    if (verdict === 'hibernated') return stop({ state: 'hibernated' })
    if (typeof verdict === 'object') return stop({ state: 'closed', why: verdict.closed })
    if (verdict === 'wait') return onClose(1006, '')
    connect(failures)
  }

  const stop = (status: TerminalStatus): void => {
    era += 1
    clearTimeout(timer)
    socket?.close()
    socket = undefined
    failures = 0
    options.onStatus(status)
  }

  return {
    connect: () => connect(),
    write: (data) => {
      const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : data
      for (let at = 0; at < bytes.length; at += INPUT_CHUNK_BYTES) {
        const input = { id: ++inputId, bytes: bytes.slice(at, at + INPUT_CHUNK_BYTES) }
        pending.push(input)
        if (greeted) send(encodeInput(input.id, input.bytes))
      }
    },
    resize: (cols, rows) => {
      if (cols === size.cols && rows === size.rows) return
      size = { cols, rows }
      send(encodeResize(cols, rows))
    },
    signal: (name) => send(encodeSignal(name)),
    detach: () => stop({ state: 'closed', why: 'detached' }),
  }
}

/** Trying again would be refused again. */
const REFUSED: ReadonlySet<number> = new Set([1002, 1003, 1007, 1008])
const INPUT_CHUNK_BYTES = 16 * 1024
const FIRST_WAIT_MS = 250
const LONGEST_WAIT_MS = 10_000
