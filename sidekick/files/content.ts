import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { open, rename, unlink, type FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path/posix'
import { Failure } from '../errors.ts'
import type { FileEntry } from '../protocol.ts'
import type { WriteGate } from '../write-gate.ts'
import { absent, entryAt, UPLOAD_PREFIX } from './entries.ts'
import { handlePath, type Place, type Trees } from './trees.ts'

/** Opens a file for reading; the caller closes it. Errors: not_found, invalid (not a file). */
export const openForReading = (trees: Trees, path: string): Promise<FileHandle> =>
  trees.at(path, { last: 'follow' }, async ({ node, stats }) => {
    if (!node) throw absent()
    if (!stats?.isFile()) throw notAFile()
    // Through the handle, so that it is the very file that was looked at.
    return open(handlePath(node), constants.O_RDONLY | constants.O_NONBLOCK)
  })

export interface Upload {
  readonly body: AsyncIterable<Uint8Array>
  /** Undefined: the whole file anew, by rename. Else bytes are written in place from there. */
  readonly offset: number | undefined
  readonly mode: number | undefined
}

/** Writes a file, making missing folders. Errors: invalid, no_space, frozen, and those of the walk. */
export const writeContent = async (
  trees: Trees,
  path: string,
  upload: Upload,
  gate: WriteGate,
): Promise<FileEntry> => {
  await gate.run(async () => {}) // refused while frozen; later pieces wait instead
  await trees.at(path, { last: 'follow', parents: true }, (place) => {
    if (!place.at || (place.stats && !place.stats.isFile())) throw notAFile()
    return upload.offset === undefined
      ? replace(place, place.at, upload, gate)
      : writeInPlace(place, place.at, upload, gate)
  })
  return trees.at(path, { last: 'follow' }, entryAt)
}

const replace = async (
  { stats }: Place,
  at: string,
  { body, mode }: Upload,
  gate: WriteGate,
): Promise<void> => {
  const temporary = `${dirname(at)}/${UPLOAD_PREFIX}${randomBytes(8).toString('hex')}`
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW
  const file = await gate.continue(() => open(temporary, flags, 0o600))
  try {
    await pour(body, file, 0, gate)
    await gate.continue(async () => {
      await file.chmod(mode ?? (stats ? stats.mode & 0o777 : 0o644))
      await rename(temporary, at)
    })
  } catch (error) {
    await unlink(temporary).catch(() => {})
    throw error
  } finally {
    await file.close()
  }
}

const writeInPlace = async (
  { node }: Place,
  at: string,
  { body, mode, offset = 0 }: Upload,
  gate: WriteGate,
): Promise<void> => {
  const file = await gate.continue(() =>
    node
      ? open(handlePath(node), constants.O_WRONLY | constants.O_NONBLOCK)
      : open(
          at,
          constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
          mode ?? 0o644,
        ),
  )
  try {
    await pour(body, file, offset, gate)
    if (mode !== undefined) await gate.continue(() => file.chmod(mode))
  } finally {
    await file.close()
  }
}

const pour = async (
  body: AsyncIterable<Uint8Array>,
  file: FileHandle,
  offset: number,
  gate: WriteGate,
): Promise<void> => {
  let at = offset
  for await (const bytes of body)
    for (let done = 0; done < bytes.length;) {
      const from = done
      const { bytesWritten } = await gate.continue(() =>
        file.write(bytes, from, bytes.length - from, at),
      )
      done += bytesWritten
      at += bytesWritten
    }
}

const notAFile = (): Failure => new Failure('invalid', 'The path is not a regular file.')
