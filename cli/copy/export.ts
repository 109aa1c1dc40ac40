import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import { CliError, EXIT } from '../exit-codes.ts'
import { received, writeWhole } from './whole-file.ts'

/**
 * Writes an archive to a file, which has its name only when it is whole, or to standard output for `-`.
 * `onBytes` hears how many there are so far. Errors: Problem, also for an archive that breaks off; CliError
 * when it cannot be written, or standard output is a terminal.
 */
export const exportTo = async (
  target: string,
  open: () => Promise<ReadableStream<Uint8Array>>,
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
    await pipeline(received('the archive', await open(), onChunk), process.stdout, { end: false })
    return { place: target, bytes }
  }
  const place = path.resolve(target)
  await writeWhole(place, async () => received('the archive', await open(), onChunk))
  return { place, bytes }
}
