import type { Header } from 'tar-stream'
import { DormouseError } from '../../workflows/errors.ts'

/** Longer than any path of a file system: each folder in it is looked up. */
const LONGEST_PATH = 8192
/** What a remembered path takes besides its characters. */
const PATH_COST_BYTES = 128
const MEMORY_BYTES = 128 * 1024 * 1024

/**
 * Which entries of a part later parts hide. Paths are byte strings (latin1), as names need not be
 * UTF-8. Errors: FilesystemTooLarge when remembering them takes more than `memoryBytes`.
 */
export const createShadows = (memoryBytes = MEMORY_BYTES) => {
  let leftBytes = memoryBytes
  const remember = (map: Map<string, number>, path: string, part: number): void => {
    checkLength(path)
    if (!map.has(path)) leftBytes -= path.length + PATH_COST_BYTES
    if (leftBytes < 0)
      throw new DormouseError(
        'FilesystemTooLarge',
        'this snapshot has too many changes to be merged here: restore it into a compute, and take its files from there',
      )
    map.set(path, part)
  }
  const written = new Map<string, number>()
  /** Removed, or no folder any more: hides also what was below it. */
  const cut = new Map<string, number>()
  return {
    remove(path: string, part: number): void {
      remember(cut, path, part)
    },
    write(path: string, isFolder: boolean, part: number): void {
      remember(written, path, part)
      if (!isFolder) remember(cut, path, part)
    },
    hides(path: string, part: number): boolean {
      checkLength(path)
      if ((written.get(path) ?? -1) > part) return true
      for (let end = path.length; end > 0; end = path.lastIndexOf('/', end - 1))
        if ((cut.get(path.slice(0, end)) ?? -1) > part) return true
      return false
    },
  }
}

const checkLength = (path: string): void => {
  if (path.length > LONGEST_PATH)
    throw new DormouseError('SnapshotCorrupt', 'a path in this snapshot is longer than any can be')
}

/** The library types these records as an empty object. */
export const paxOf = (header: Header): Readonly<Record<string, string>> =>
  (header.pax ?? {}) as Readonly<Record<string, string>>

export const treePath = (header: Header): string => {
  const encoded = paxOf(header)['DORMOUSE.path']
  const path =
    encoded === undefined
      ? Buffer.from(header.name, 'utf8').toString('latin1')
      : Buffer.from(encoded, 'base64').toString('latin1')
  return path.endsWith('/') ? path.slice(0, -1) : path
}
