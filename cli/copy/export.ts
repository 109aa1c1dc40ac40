import { randomUUID } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import { Problem } from '../../sdk/problem.ts'
import { CliError, EXIT } from '../exit-codes.ts'

type Body = ReadableStream<Uint8Array>

/**
 * Writes an archive to a file, which has its name only when it is whole, or to standard output for `-`.
 * `onBytes` hears how many there are so far. Errors: Problem, also for an archive that breaks off; CliError
 * when it cannot be written, or standard output is a terminal.
 */
export const exportTo = async (
  target: string,
  open: () => Promise<Body>,
  onBytes: (total: number) => void,
): Promise<{ readonly place: string; readonly bytes: number }> => {
  let bytes = 0
  const onChunk = (count: number) => onBytes((bytes += count))
  if (target === '-') {
    if (process.stdout.isTTY)
      throw new CliError(
        EXIT.usage,
        'An archive is nothing for a terminal.',
        'Say where it goes with --output, or pass it to a program: … | tar --zstd -t',
      )
    await pipeline(read(await open(), onChunk), process.stdout, { end: false })
    return { place: target, bytes }
  }
  const place = path.resolve(target)
  const partial = `${place}.${randomUUID()}.partial`
  try {
    await pipeline(read(await open(), onChunk), createWriteStream(partial, { flags: 'wx' }))
    await rename(partial, place)
  } catch (error) {
    const { syscall, code } = error as NodeJS.ErrnoException
    if (syscall === undefined) throw error
    throw new CliError(EXIT.failure, `${place} cannot be written (${code}).`)
  } finally {
    await rm(partial, { force: true })
  }
  return { place, bytes }
}

/** Told apart from what goes wrong at the other end. */
const read = async function* (body: Body, onChunk: (bytes: number) => void) {
  try {
    for await (const chunk of body as Body & AsyncIterable<Uint8Array>) {
      onChunk(chunk.length)
      yield chunk
    }
  } catch (cause) {
    throw new Problem({
      status: 0,
      code: 'unreachable',
      message: 'the archive broke off before its end',
      cause,
    })
  }
}
