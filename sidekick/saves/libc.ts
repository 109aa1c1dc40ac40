/**
 * The system calls a faithful copy needs and Node has not: holes of sparse files, extended
 * attributes, nanosecond times, FIFOs. Called synchronously; each throws an Error with `code`.
 */
import koffi from 'koffi'

const AT_FDCWD = -100
const AT_SYMLINK_NOFOLLOW = 0x100
const SEEK_DATA = 3
const SEEK_HOLE = 4
const LONGEST_NAME_LIST = 64 * 1024
const LONGEST_VALUE = 64 * 1024

const process_ = koffi.load(null)
const lseek = process_.func('int64_t lseek(int fd, int64_t offset, int whence)')
const utimensat = process_.func('int utimensat(int fd, void *path, void *times, int flags)')
const makeFifo = process_.func('int mkfifo(void *path, uint32_t mode)')
const llistxattr = process_.func('int64_t llistxattr(void *path, void *list, size_t size)')
const lgetxattr = process_.func(
  'int64_t lgetxattr(void *path, void *name, void *value, size_t size)',
)
const lsetxattr = process_.func(
  'int lsetxattr(void *path, void *name, void *value, size_t size, int flags)',
)

const nameOfErrno = new Map(Object.entries(koffi.os.errno).map(([name, number]) => [number, name]))

const failure = (call: string): NodeJS.ErrnoException => {
  const code = nameOfErrno.get(koffi.errno()) ?? 'EUNKNOWN'
  return Object.assign(new Error(`${code}: ${call}`), { code })
}

const terminated = (path: Buffer): Buffer => {
  const bytes = Buffer.alloc(path.length + 1)
  path.copy(bytes)
  return bytes
}

export interface Segment {
  readonly offset: number
  readonly length: number
}

/** Where an open file has data, in order; the rest up to `sizeBytes` are holes. */
export const dataSegments = (fd: number, sizeBytes: number): readonly Segment[] => {
  const segments: Segment[] = []
  let position = 0
  while (position < sizeBytes) {
    const offset = Number(lseek(fd, position, SEEK_DATA))
    if (offset < 0) {
      if (nameOfErrno.get(koffi.errno()) === 'ENXIO') break
      return [{ offset: 0, length: sizeBytes }]
    }
    const hole = Number(lseek(fd, offset, SEEK_HOLE))
    const end = Math.min(hole < 0 ? sizeBytes : hole, sizeBytes)
    if (offset >= end) break
    segments.push({ offset, length: end - offset })
    position = end
  }
  return segments
}

const times = Buffer.alloc(32)

/** Sets mtime (and atime to the same) of the entry itself, never of what a link points to. */
export const setMtimeNs = (path: Buffer, mtimeNs: bigint): void => {
  const nanoseconds = ((mtimeNs % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n
  const seconds = (mtimeNs - nanoseconds) / 1_000_000_000n
  for (const at of [0, 16]) {
    times.writeBigInt64LE(seconds, at)
    times.writeBigInt64LE(nanoseconds, at + 8)
  }
  if (utimensat(AT_FDCWD, terminated(path), times, AT_SYMLINK_NOFOLLOW) !== 0)
    throw failure('utimensat')
}

export const mkfifo = (path: Buffer, mode: number): void => {
  if (makeFifo(terminated(path), mode) !== 0) throw failure('mkfifo')
}

const nameList = Buffer.alloc(LONGEST_NAME_LIST)
const valueSpace = Buffer.alloc(LONGEST_VALUE)

/** The `user.*` attributes of a file or folder, by name as a byte string; null when it has none. */
export const readUserAttributes = (path: Buffer): ReadonlyMap<string, Buffer> | null => {
  const where = terminated(path)
  const length = Number(llistxattr(where, nameList, LONGEST_NAME_LIST))
  if (length <= 0) return noneOrFailure(length, 'llistxattr')
  const names = nameList.toString('latin1', 0, length - 1).split('\0')
  const attributes = new Map<string, Buffer>()
  for (const name of names) {
    if (!name.startsWith('user.')) continue
    const size = Number(
      lgetxattr(where, Buffer.from(`${name}\0`, 'latin1'), valueSpace, LONGEST_VALUE),
    )
    if (size >= 0) attributes.set(name, Buffer.from(valueSpace.subarray(0, size)))
    else noneOrFailure(size, 'lgetxattr')
  }
  return attributes.size === 0 ? null : attributes
}

/** Filesystems without attributes, and attributes that went away meanwhile, simply have none. */
const noneOrFailure = (size: number, call: string): null => {
  const error = size < 0 ? failure(call) : null
  if (error && !WITHOUT_ATTRIBUTES.has(error.code ?? '')) throw error
  return null
}
const WITHOUT_ATTRIBUTES = new Set(['ENOTSUP', 'EOPNOTSUPP', 'ENODATA'])

export const setUserAttribute = (path: Buffer, name: string, value: Buffer): void => {
  const status = lsetxattr(
    terminated(path),
    Buffer.from(`${name}\0`, 'latin1'),
    value.length === 0 ? Buffer.alloc(1) : value,
    value.length,
    0,
  )
  if (status !== 0) throw failure('lsetxattr')
}
