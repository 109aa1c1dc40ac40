import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readlinkSync,
  readSync,
  realpathSync,
} from 'node:fs'
import type { Pack } from 'tar-stream'
import { errno } from '../errors.ts'
import { headerOf, type OutgoingEntry } from './entry-header.ts'
import { dataSegments, readUserAttributes, type Segment } from './libc.ts'
import type { Scan } from './scan.ts'
import { encodeSparseMap, MOST_SEGMENTS } from './sparse-map.ts'
import { entryOf, isHardLinked, type TreeEntry } from './tree-entry.ts'
import { fromBytes, locator, type TreeRoots } from './tree-path.ts'

export interface EntrySource extends Scan {
  readonly roots: TreeRoots
  /** inode → the name its content was sent under. */
  readonly firstNames: Map<bigint, string>
}

const READ_BYTES = 1024 * 1024
const SMALLEST_SPARSE = 64 * 1024
/** No following of a link and no waiting for a FIFO's other end, should the file have become one. */
const OPEN_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

/** Appends one entry as it is now. False when it went away since the scan or became something else. */
export const appendEntry = async (
  tar: Pack,
  source: EntrySource,
  entry: TreeEntry,
): Promise<boolean> => {
  const path = locator(source.roots)(entry.path)
  try {
    const first = isHardLinked(entry) ? source.firstNames.get(entry.ino) : undefined
    if (first !== undefined) {
      await put(tar, { ...entry, type: 'link', size: 0, target: first })
      return true
    }
    const ino =
      entry.type === 'file'
        ? await putFile(tar, source, entry, path)
        : await putOther(tar, source, entry, path)
    // Another one may have taken the name since the scan: it is not what the other names stand for.
    if (ino !== entry.ino) source.suspects.add(entry.ino).add(ino)
    else if (isHardLinked(entry)) source.firstNames.set(ino, entry.path)
    return true
  } catch (error) {
    if (!GONE.has(errno(error))) throw error
    return false
  }
}

const GONE = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'EINVAL', 'ENXIO', 'EISDIR'])

/** Gives the inode that was sent; of a folder, which has one name, the one that was scanned. */
const putOther = async (
  tar: Pack,
  source: EntrySource,
  entry: TreeEntry,
  path: Buffer,
): Promise<bigint> => {
  const read =
    entry.type === 'symlink'
      ? () => ({ target: fromBytes(readlinkSync(path, { encoding: 'buffer' })) })
      : () => ({ attributes: readUserAttributes(path) })
  const now = source.access.run<Partial<OutgoingEntry>>(entry.path, read)
  const look = (): bigint => lstatSync(path, { bigint: true }).ino
  const ino = entry.type === 'directory' ? entry.ino : source.access.runBelow(entry.path, look)
  await put(tar, { ...entry, ...now })
  return ino
}

/** Gives the inode that was sent. */
const putFile = async (
  tar: Pack,
  source: EntrySource,
  scanned: TreeEntry,
  path: Buffer,
): Promise<bigint> => {
  const { fd, attributes } = source.access.run(scanned.path, () => ({
    attributes: readUserAttributes(path),
    fd: openSync(path, OPEN_FLAGS),
  }))
  try {
    const stat = fstatSync(fd, { bigint: true })
    const now = entryOf(scanned.path, stat)
    if (now?.type !== 'file') throw Object.assign(new Error('not a file'), { code: 'ENOENT' })
    if (now.ino !== scanned.ino && !isInPlace(fd, source.roots, scanned.path))
      throw Object.assign(new Error('behind a link'), { code: 'ENOENT' })
    // A lent read bit is not the file's own mode.
    const entry = { ...now, mode: scanned.mode, attributes }
    const segments = sparseSegments(fd, now.size, Number(stat.blocks))
    const whole =
      segments === null ? await putWhole(tar, fd, entry) : await putSparse(tar, fd, entry, segments)
    if (!whole) source.suspects.add(entry.ino)
    return entry.ino
  } finally {
    closeSync(fd)
  }
}

/** False when a folder above became a link since the scan: what is behind it is not of this tree. */
const isInPlace = (fd: number, roots: TreeRoots, path: string): boolean => {
  const locate = locator({ home: realpathSync(roots.home), env: realpathSync(roots.env) })
  return locate(path).equals(readlinkSync(`/proc/self/fd/${fd}`, { encoding: 'buffer' }))
}

/** Null when the file has no hole worth keeping. */
const sparseSegments = (fd: number, size: number, blocks: number): readonly Segment[] | null => {
  if (size < SMALLEST_SPARSE || blocks * 512 >= size) return null
  const segments = dataSegments(fd, size)
  const stored = segments.reduce((sum, { length }) => sum + length, 0)
  if (stored >= size || segments.length >= MOST_SEGMENTS) return null
  return stored === 0 || (segments.at(-1)?.offset ?? 0) + (segments.at(-1)?.length ?? 0) < size
    ? [...segments, { offset: size, length: 0 }]
    : segments
}

const putWhole = async (tar: Pack, fd: number, entry: OutgoingEntry): Promise<boolean> => {
  if (entry.size <= READ_BYTES) {
    const content = Buffer.allocUnsafeSlow(entry.size)
    const whole = fill(fd, content, 0)
    await put(tar, entry, content)
    return whole
  }
  return await putPieces(tar, fd, entry, [{ offset: 0, length: entry.size }])
}

const putSparse = async (
  tar: Pack,
  fd: number,
  entry: OutgoingEntry,
  segments: readonly Segment[],
): Promise<boolean> => {
  const map = encodeSparseMap(segments)
  const stored = segments.reduce((sum, { length }) => sum + length, 0)
  const header = { ...entry, size: map.length + stored, realSize: entry.size }
  return await putPieces(tar, fd, header, segments, map)
}

/** Sends exactly the announced bytes, whatever happens to the file. False when it became shorter. */
export const putPieces = async (
  tar: Pack,
  fd: number,
  entry: OutgoingEntry,
  segments: readonly Segment[],
  head?: Buffer,
): Promise<boolean> => {
  let whole = true
  let sink: ReturnType<Pack['entry']> | undefined
  const finished = new Promise<void>((resolve, reject) => {
    sink = tar.entry(headerOf(entry), (error) => (error ? reject(error) : resolve()))
  })
  finished.catch(() => {}) // it is awaited below, but may fail before
  const write = async (piece: Buffer): Promise<void> => {
    if (sink?.write(piece)) return
    const drained = new Promise<void>((resolve) => sink?.once('drain', () => resolve()))
    await Promise.race([drained, finished])
  }
  if (head) await write(head)
  for (const { offset, length } of segments)
    for (let at = 0; at < length; at += READ_BYTES) {
      const piece = Buffer.allocUnsafeSlow(Math.min(READ_BYTES, length - at))
      whole = fill(fd, piece, offset + at) && whole
      await write(piece)
    }
  sink?.end(undefined)
  await finished
  return whole
}

const put = (tar: Pack, entry: OutgoingEntry, content?: Buffer): Promise<void> =>
  new Promise((resolve, reject) => {
    const done = (error?: Error | null): void => (error ? reject(error) : resolve())
    if (content) tar.entry(headerOf(entry), content, done)
    else tar.entry(headerOf(entry), done)
  })

/** Reads until the buffer is full or the file ends; the rest is zeros. */
const fill = (fd: number, buffer: Buffer, position: number): boolean => {
  let filled = 0
  while (filled < buffer.length) {
    const read = readSync(fd, buffer, filled, buffer.length - filled, position + filled)
    if (read === 0) {
      buffer.fill(0, filled)
      return false
    }
    filled += read
  }
  return true
}
