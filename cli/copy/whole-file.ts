import { randomUUID } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { chmod, rename, rm } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { Problem } from '../../sdk/problem.ts'
import { CliError, EXIT } from '../exit-codes.ts'

/**
 * Writes a file that has its name only when it is whole. `mode`: its permissions, else the user's default.
 * Errors: those of `open` and of its body; CliError when it cannot be written.
 */
export const writeWhole = async (
  place: string,
  open: () => Promise<AsyncIterable<Uint8Array>>,
  mode?: number,
): Promise<void> => {
  const partial = `${place}.${randomUUID()}.partial`
  try {
    await pipeline(await open(), createWriteStream(partial, { flags: 'wx' }))
    if (mode !== undefined) await chmod(partial, mode)
    await rename(partial, place)
  } catch (error) {
    const { syscall, code } = error as NodeJS.ErrnoException
    if (syscall === undefined || !FILE_CALLS.has(syscall)) throw error
    throw new CliError(EXIT.failure, `${place} cannot be written (${code}).`)
  } finally {
    await rm(partial, { force: true })
  }
}

/** A connection that breaks is a failed call of the system, too. */
const FILE_CALLS = new Set(['open', 'write', 'writev', 'close', 'chmod', 'rename'])

/** What a server sends; that it broke off is told apart from what goes wrong at the other end. Errors: Problem. */
export const received = async function* (
  what: string,
  body: ReadableStream<Uint8Array>,
  onBytes: (count: number) => void,
): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of body as typeof body & AsyncIterable<Uint8Array>) {
      onBytes(chunk.length)
      yield chunk
    }
  } catch (cause) {
    const message = `${what} broke off before its end`
    throw new Problem({ status: 0, code: 'unreachable', message, cause })
  }
}
