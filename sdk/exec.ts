import type { CommandEvent, ExecRequest } from '../sidekick/protocol.ts'
import type { Http } from './http.ts'
import { linesOf } from './lines.ts'
import { Problem } from './problem.ts'

export interface ExecHandlers {
  readonly onStart?: (id: string, pid: number) => void
  /** Awaited before more is read: what is slow to write slows the command, not memory. */
  readonly onStdout?: (bytes: Uint8Array) => void | Promise<void>
  readonly onStderr?: (bytes: Uint8Array) => void | Promise<void>
  readonly onTruncated?: (stream: 'stdout' | 'stderr', from: number, to: number) => void
  readonly signal?: AbortSignal
}
export type ExecExit = Extract<CommandEvent, { type: 'exit' }>

/** Runs a command to its end. Throws Problem when the stream ended before the command did. */
export const exec = async (
  gateway: Http,
  computeId: string,
  request: ExecRequest,
  handlers: ExecHandlers = {},
): Promise<ExecExit> => {
  const response = await gateway.send('POST', `/compute/${computeId}/exec`, {
    json: request,
    signal: handlers.signal,
  })
  const lines = linesOf(response.body!)
  const cutOff = (cause: unknown): never => {
    throw handlers.signal?.aborted ? cause : connectionLost(cause)
  }
  try {
    for (;;) {
      const { value: line, done } = await lines.next().catch(cutOff)
      if (done) throw connectionLost()
      if (line === '') continue
      const event = JSON.parse(line) as CommandEvent
      if (event.type === 'start') handlers.onStart?.(event.id, event.pid)
      else if (event.type === 'stdout') await handlers.onStdout?.(fromBase64(event.data))
      else if (event.type === 'stderr') await handlers.onStderr?.(fromBase64(event.data))
      else if (event.type === 'truncated')
        handlers.onTruncated?.(event.stream, event.from, event.to)
      else if (event.type === 'exit') return event
    }
  } finally {
    await lines.return()
  }
}

const connectionLost = (cause?: unknown): Problem =>
  new Problem({
    status: 503,
    code: 'connection_lost',
    message: 'the connection ended before the command did; it was stopped in the compute',
    cause,
  })

export interface Captured {
  readonly stdout: string
  readonly stderr: string
  readonly exitCode: number | null
  readonly exit: ExecExit
}

/** Runs a short command and gives its output as text. */
export const capture = async (
  gateway: Http,
  computeId: string,
  request: ExecRequest,
): Promise<Captured> => {
  const decoders = { stdout: new TextDecoder(), stderr: new TextDecoder() }
  const text = { stdout: '', stderr: '' }
  const exit = await exec(gateway, computeId, request, {
    onStdout: (bytes) => void (text.stdout += decoders.stdout.decode(bytes, { stream: true })),
    onStderr: (bytes) => void (text.stderr += decoders.stderr.decode(bytes, { stream: true })),
  })
  return { ...text, exitCode: exit.exitCode, exit }
}

const fromBase64 = (text: string): Uint8Array =>
  Uint8Array.from(atob(text), (character) => character.charCodeAt(0))
