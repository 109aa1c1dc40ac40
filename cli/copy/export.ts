import { randomUUID } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { Readable, type Writable } from 'node:stream'
import type { ReadableStream as WebStream } from 'node:stream/web'
import { pipeline } from 'node:stream/promises'
import { isProblem, Problem } from '../../sdk/problem.ts'
import { CliError, EXIT } from '../exit-codes.ts'

/**
 * Writes an archive to a file, which has its name only when it is whole, or to standard output for `-`.
 * `onBytes` hears how many there are so far. Errors: Problem, also for an archive that breaks off; CliError
 * when standard output is a terminal.
 */
export const exportTo = async (
  target: string,
  open: () => Promise<ReadableStream<Uint8Array>>,
  onBytes: (total: number) => void,
): Promise<{ readonly place: string; readonly bytes: number }> => {
  let bytes = 0
  const copy = async (to: Writable, options: { end?: boolean } = {}) => {
    const body = Readable.fromWeb((await open()) as WebStream)
    body.on('data', (chunk: Uint8Array) => onBytes((bytes += chunk.length)))
    let broken: unknown
    body.once('error', (error) => (broken = error))
    await pipeline(body, to, options).catch((error: unknown) => {
      throw error === broken && !isProblem(error) ? brokeOff(error) : error
    })
  }
  if (target === '-') {
    if (process.stdout.isTTY)
      throw new CliError(
        EXIT.usage,
        'An archive is nothing for a terminal.',
        'Say where it goes with --output, or pass it to a program: … | tar --zstd -t',
      )
    await copy(process.stdout, { end: false })
    return { place: target, bytes }
  }
  const place = path.resolve(target)
  const partial = `${place}.${randomUUID()}.partial`
  try {
    await copy(createWriteStream(partial, { flags: 'wx' }))
    await rename(partial, place)
  } finally {
    await rm(partial, { force: true })
  }
  return { place, bytes }
}

const brokeOff = (cause: unknown): Problem =>
  new Problem({
    status: 0,
    code: 'unreachable',
    message: 'the archive broke off before its end; nothing of it was kept',
    cause,
  })
