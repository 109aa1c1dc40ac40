import {
  chmodSync,
  closeSync,
  constants,
  ftruncateSync,
  fchmodSync,
  lchownSync,
  linkSync,
  mkdirSync,
  openSync,
  symlinkSync,
  writeSync,
} from 'node:fs'
import { errno, Failure } from '../errors.ts'
import { Confined, type FolderLook } from './confined.ts'
import type { IncomingEntry } from './entry-header.ts'
import { mkfifo, setMtimeNs, setUserAttribute, type Segment } from './libc.ts'
import type { Caps } from './scan.ts'
import { SparseMapReader } from './sparse-map.ts'
import { bytesOf, compareTreePaths, displayOf, type TreeRoots } from './tree-path.ts'

const CREATE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW
const OWNER_ALL = 0o700
const NO_SUPPORT = new Set(['ENOTSUP', 'EOPNOTSUPP', 'EPERM'])

/** Writes entries one after another; folders get their mode and time in `finish`, when all is in. */
export class EntryWriter {
  readonly #confined: Confined
  readonly #caps: Caps
  /** How each folder shall look in the end: as its entry says, else as it was before. */
  readonly #folders = new Map<string, FolderLook>()
  readonly #asRoot = process.geteuid?.() === 0
  #entries = 0
  #bytes = 0

  constructor(roots: TreeRoots, caps: Caps) {
    this.#caps = caps
    this.#confined = new Confined(
      roots,
      (folder, before) => {
        if (!this.#folders.has(folder)) this.#folders.set(folder, before)
      },
      () => this.#count(0),
    )
  }

  remove(path: string): void {
    this.#confined.remove(path)
  }

  /** Errors: invalid, too_large; system errors such as ENOSPC. */
  async write(entry: IncomingEntry, content: AsyncIterable<Buffer>): Promise<void> {
    // A hole costs no disk but is read like data by whoever opens the file: it counts.
    this.#count(entry.type === 'file' ? (entry.realSize ?? entry.size) : 0)
    this.#confined.makeWay(entry.path)
    if (entry.type === 'directory') this.#folder(entry)
    else if (entry.type === 'file') await this.#file(entry, content)
    else if (entry.type === 'link') this.#link(entry)
    else this.#special(entry)
    // An entry whose content is not read would stop the stream.
    if (entry.type !== 'file') for await (const _ of content);
  }

  finish(): void {
    // Deepest first: a folder without x locks out what is below it.
    const deepestFirst = [...this.#folders].sort(([a], [b]) => compareTreePaths(b, a))
    for (const [path, { mode, mtimeNs }] of deepestFirst) {
      if (!this.#confined.stat(path)?.isDirectory()) continue
      const where = this.#confined.place(path)
      orRoot(path, () => setMtimeNs(where, mtimeNs))
      orRoot(path, () => chmodSync(where, mode))
    }
  }

  #count(bytes: number): void {
    this.#entries += 1
    this.#bytes += bytes
    if (this.#entries > this.#caps.maxEntries || this.#bytes > this.#caps.maxBytes)
      throw new Failure('too_large', 'The archive is over the cap of this compute.', {
        ...this.#caps,
      })
  }

  #folder(entry: IncomingEntry): void {
    const present = this.#confined.stat(entry.path)
    if (present && !present.isDirectory()) this.#confined.remove(entry.path)
    const where = this.#confined.place(entry.path)
    if (!present?.isDirectory()) mkdirSync(where, { mode: OWNER_ALL })
    else orRoot(entry.path, () => chmodSync(where, OWNER_ALL))
    this.#adorn(where, entry)
    this.#folders.set(entry.path, { mode: entry.mode, mtimeNs: entry.mtimeNs })
  }

  async #file(entry: IncomingEntry, content: AsyncIterable<Buffer>): Promise<void> {
    const where = this.#free(entry.path)
    const fd = openSync(where, CREATE, 0o600)
    try {
      if (entry.realSize === undefined) await writeWhole(fd, content)
      else await writeSparse(fd, entry.realSize, content)
      this.#adorn(where, entry)
      fchmodSync(fd, entry.mode)
    } finally {
      closeSync(fd)
    }
    setMtimeNs(where, entry.mtimeNs)
  }

  #link(entry: IncomingEntry): void {
    const target = entry.target ?? ''
    const stat = this.#confined.stat(target)
    if (stat === null || stat.isDirectory())
      throw new Failure(
        'invalid',
        `The archive is refused: ${displayOf(entry.path)} links to what is not there.`,
      )
    if (target === entry.path) return
    // link(2) does not follow a symlink as its source, so this never leads out of the trees.
    linkSync(this.#confined.place(target), this.#free(entry.path))
  }

  #special(entry: IncomingEntry): void {
    const where = this.#free(entry.path)
    if (entry.type === 'fifo') mkfifo(where, entry.mode)
    else symlinkSync(bytesOf(entry.target ?? ''), where)
    this.#adorn(where, entry)
    if (entry.type === 'fifo') chmodSync(where, entry.mode)
    setMtimeNs(where, entry.mtimeNs)
  }

  /** Always a new inode: writing into the old one would reach its other names too. */
  #free(path: string): Buffer {
    if (!path.includes('/'))
      throw new Failure('invalid', `The archive is refused: ${displayOf(path)} must be a folder.`)
    if (this.#confined.stat(path) !== null) this.#confined.remove(path)
    return this.#confined.place(path)
  }

  #adorn(where: Buffer, entry: IncomingEntry): void {
    // Inside a compute all belongs to one user; elsewhere (tests, repair by root) owners come back.
    if (this.#asRoot) lchownSync(where, entry.uid, entry.gid)
    for (const [name, value] of entry.attributes)
      try {
        setUserAttribute(where, name, value)
      } catch (error) {
        if (!NO_SUPPORT.has(errno(error))) throw error
      }
  }
}

/** A tree's root may be a mount that belongs to the platform: its mode is then what it is. */
const orRoot = (path: string, change: () => void): void => {
  try {
    change()
  } catch (error) {
    if (errno(error) !== 'EPERM' || path.includes('/')) throw error
  }
}

const writeWhole = async (fd: number, content: AsyncIterable<Buffer>): Promise<void> => {
  for await (const chunk of content) writeAt(fd, chunk, null)
}

const writeSparse = async (
  fd: number,
  realSize: number,
  content: AsyncIterable<Buffer>,
): Promise<void> => {
  ftruncateSync(fd, realSize)
  const map = new SparseMapReader(realSize)
  let queue: Segment[] | null = null
  for await (const chunk of content) {
    let rest = map.segments ? chunk : map.take(chunk)
    queue ??= map.segments && [...map.segments].reverse()
    while (rest.length > 0 && queue) {
      const segment = queue.pop()
      if (!segment) throw new Failure('invalid', 'The archive has a broken sparse file.')
      const piece = rest.subarray(0, segment.length)
      writeAt(fd, piece, segment.offset)
      rest = rest.subarray(piece.length)
      const left = segment.length - piece.length
      if (left > 0) queue.push({ offset: segment.offset + piece.length, length: left })
    }
  }
  if (!queue || queue.some(({ length }) => length > 0))
    throw new Failure('invalid', 'The archive has a broken sparse file.')
}

const writeAt = (fd: number, bytes: Buffer, position: number | null): void => {
  for (let from = 0; from < bytes.length;) {
    const at = position === null ? null : position + from
    from += writeSync(fd, bytes, from, bytes.length - from, at)
  }
}
