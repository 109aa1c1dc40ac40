import type { Http } from './http.ts'
import { isProblem } from './problem.ts'
import { pause } from './server-events.ts'

/** The sidekick takes a piece whole or not at all, and queues at most 1 MiB. */
const PIECE_BYTES = 256 * 1024
const FULL_PAUSE_MS = 50

/**
 * Feeds a command's standard input and closes it at the end. A full queue is waited out; a command
 * that stopped reading (it closed its input, or ended) ends the feeding in silence, as a pipe would.
 */
export const feedStdin = async (
  gateway: Http,
  computeId: string,
  commandId: string,
  source: AsyncIterable<Uint8Array>,
  signal?: AbortSignal,
): Promise<void> => {
  const send = async (bytes: Uint8Array<ArrayBuffer>, eof: boolean): Promise<boolean> => {
    for (;;) {
      try {
        await gateway.send('POST', `/compute/${computeId}/commands/${commandId}/stdin`, {
          query: { eof: eof ? 1 : undefined },
          body: bytes,
          signal,
        })
        return true
      } catch (error) {
        if (signal?.aborted) return false
        if (!isProblem(error)) throw error
        if (error.code === 'wrong_state' || error.code === 'not_found') return false
        if (error.code !== 'input_full') throw error
        await pause(FULL_PAUSE_MS, signal)
      }
    }
  }
  for await (const bytes of inPieces(source)) if (!(await send(bytes, false))) return
  await send(new Uint8Array(0), true)
}

/** Cut to what one request may carry. */
const inPieces = async function* (
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
  for await (const bytes of source)
    for (let at = 0; at < bytes.length; at += PIECE_BYTES)
      yield bytes.slice(at, at + PIECE_BYTES) as Uint8Array<ArrayBuffer>
}
