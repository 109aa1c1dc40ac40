import type { BigIntStats } from 'node:fs'

export const ENTRY_TYPES = ['file', 'directory', 'symlink', 'fifo'] as const
export type EntryType = (typeof ENTRY_TYPES)[number]

/** What lstat says of one entry. `path` is a byte string, see tree-path.ts; `mode` the 12 permission bits. */
export interface TreeEntry {
  readonly path: string
  readonly type: EntryType
  readonly ino: bigint
  readonly size: number
  readonly mode: number
  readonly nlink: number
  readonly uid: number
  readonly gid: number
  readonly mtimeNs: bigint
  readonly ctimeNs: bigint
}

/** Null for what no archive carries: sockets and devices. */
export const entryOf = (path: string, stat: BigIntStats): TreeEntry | null => {
  const type = typeOf(stat)
  if (type === null) return null
  return {
    path,
    type,
    ino: stat.ino,
    size: type === 'file' ? Number(stat.size) : 0,
    mode: Number(stat.mode) & 0o7777,
    nlink: Number(stat.nlink),
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    mtimeNs: stat.mtimeNs,
    ctimeNs: stat.ctimeNs,
  }
}

const typeOf = (stat: BigIntStats): EntryType | null => {
  if (stat.isFile()) return 'file'
  if (stat.isDirectory()) return 'directory'
  if (stat.isSymbolicLink()) return 'symlink'
  return stat.isFIFO() ? 'fifo' : null
}

/** One of several names of one inode; folders count their subfolders in nlink. */
export const isHardLinked = (entry: TreeEntry): boolean =>
  entry.nlink > 1 && entry.type !== 'directory'
