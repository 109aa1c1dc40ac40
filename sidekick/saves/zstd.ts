/**
 * zstd of the Node that ships with the sidekick (24). Looked up at the call: the other parts of
 * the platform, and their types, are those of Node 20.
 */
import type { Transform } from 'node:stream'
import * as zlib from 'node:zlib'
import { ARCHIVE_WINDOW_LOG } from '../protocol.ts'

interface Zstd {
  createZstdCompress(options: ZstdOptions): Transform
  createZstdDecompress(options: ZstdOptions): Transform
  readonly constants: Readonly<Record<string, number>>
}
interface ZstdOptions {
  readonly chunkSize: number
  readonly readableHighWaterMark: number
  readonly params: Readonly<Record<number, number>>
}

const CHUNK_BYTES = 256 * 1024
/** How far zstd may run ahead on its thread while ours reads or writes files. */
const AHEAD_BYTES = 4 * 1024 * 1024
/** The fastest: most of a tree is written once and read rarely. */
const LEVEL = 1

const zstd = (): Zstd => {
  if (!('createZstdCompress' in zlib)) throw new Error('saving needs Node 24 (zstd)')
  return zlib as unknown as Zstd
}

/** One frame, with a checksum of the content at its end. */
export const compressor = (): Transform => {
  const { createZstdCompress, constants } = zstd()
  return createZstdCompress({
    chunkSize: CHUNK_BYTES,
    readableHighWaterMark: AHEAD_BYTES,
    params: {
      [constants['ZSTD_c_compressionLevel'] ?? 0]: LEVEL,
      [constants['ZSTD_c_checksumFlag'] ?? 0]: 1,
    },
  })
}

/** Fails on what is cut short or does not match its checksum. */
export const decompressor = (): Transform => {
  const { createZstdDecompress, constants } = zstd()
  return createZstdDecompress({
    chunkSize: CHUNK_BYTES,
    readableHighWaterMark: AHEAD_BYTES,
    params: { [constants['ZSTD_d_windowLogMax'] ?? 0]: ARCHIVE_WINDOW_LOG },
  })
}
