/**
 * The index of a save: every entry of the trees in walk order, on disk, so that a delta is a merge
 * of two sorted streams and memory does not grow with the tree. A record is a path (length shared
 * with the one before, rest) and 60 bytes of numbers.
 */
import { readSync, writeSync } from 'node:fs'
import { ENTRY_TYPES, type TreeEntry } from './tree-entry.ts'

const BLOCK_BYTES = 256 * 1024
const FIXED_BYTES = 4 + 1 + 4 + 4 + 4 + 4 + 8 + 8 + 12 + 12
const LONGEST_PATH = 0xffff

export class IndexWriter {
  readonly #fd: number
  readonly #block = Buffer.allocUnsafeSlow(BLOCK_BYTES)
  #used = 0
  #position = 0
  #previous = ''

  constructor(fd: number) {
    this.#fd = fd
  }

  add(entry: TreeEntry): void {
    const shared = sharedLength(this.#previous, entry.path)
    const rest = entry.path.length - shared
    if (entry.path.length > LONGEST_PATH) throw new RangeError('path over 65535 bytes')
    if (this.#used + FIXED_BYTES + rest > BLOCK_BYTES) this.#write()
    const block = this.#block
    let at = this.#used
    at = block.writeUInt16LE(shared, at)
    at = block.writeUInt16LE(rest, at)
    at = block.writeUInt8(ENTRY_TYPES.indexOf(entry.type), at)
    at = block.writeUInt32LE(entry.mode, at)
    at = block.writeUInt32LE(entry.nlink, at)
    at = block.writeUInt32LE(entry.uid, at)
    at = block.writeUInt32LE(entry.gid, at)
    at = block.writeDoubleLE(entry.size, at)
    at = block.writeBigUInt64LE(entry.ino, at)
    at = writeTime(block, entry.mtimeNs, at)
    at = writeTime(block, entry.ctimeNs, at)
    block.write(entry.path.slice(shared), at, rest, 'latin1')
    this.#used = at + rest
    this.#previous = entry.path
  }

  /** Writes what is left. Returns the length of the index. */
  end(): number {
    this.#write()
    return this.#position
  }

  #write(): void {
    for (let from = 0; from < this.#used;) {
      const written = writeSync(this.#fd, this.#block, from, this.#used - from, this.#position)
      from += written
      this.#position += written
    }
    this.#used = 0
  }
}

export function* readIndex(fd: number, lengthBytes: number): Generator<TreeEntry, void, undefined> {
  const block = Buffer.allocUnsafeSlow(BLOCK_BYTES)
  let filled = 0
  let at = 0
  let position = 0
  let previous = ''
  const need = (bytes: number): void => {
    if (filled - at >= bytes) return
    block.copy(block, 0, at, filled)
    filled -= at
    at = 0
    while (filled < bytes) {
      const read = readSync(fd, block, filled, BLOCK_BYTES - filled, position)
      if (read === 0) throw new Error('index ends in the middle of a record')
      filled += read
      position += read
    }
  }
  while (position < lengthBytes || at < filled) {
    need(FIXED_BYTES)
    const rest = block.readUInt16LE(at + 2)
    need(FIXED_BYTES + rest)
    const path =
      previous.slice(0, block.readUInt16LE(at)) +
      block.toString('latin1', at + FIXED_BYTES, at + FIXED_BYTES + rest)
    yield {
      path,
      type: ENTRY_TYPES[block.readUInt8(at + 4)] ?? 'file',
      mode: block.readUInt32LE(at + 5),
      nlink: block.readUInt32LE(at + 9),
      uid: block.readUInt32LE(at + 13),
      gid: block.readUInt32LE(at + 17),
      size: block.readDoubleLE(at + 21),
      ino: block.readBigUInt64LE(at + 29),
      mtimeNs: readTime(block, at + 37),
      ctimeNs: readTime(block, at + 49),
    }
    previous = path
    at += FIXED_BYTES + rest
  }
}

/** Filesystems go beyond the year 2262, where nanoseconds leave 64 bits. */
const writeTime = (block: Buffer, ns: bigint, at: number): number =>
  block.writeInt32LE(
    Number(ns % 1_000_000_000n),
    block.writeDoubleLE(Number(ns / 1_000_000_000n), at),
  )

const readTime = (block: Buffer, at: number): bigint =>
  BigInt(block.readDoubleLE(at)) * 1_000_000_000n + BigInt(block.readInt32LE(at + 8))

const sharedLength = (a: string, b: string): number => {
  const most = Math.min(a.length, b.length)
  let shared = 0
  while (shared < most && a.charCodeAt(shared) === b.charCodeAt(shared)) shared++
  return shared
}
