import { createHash } from 'node:crypto'
import type { EventEmitter } from 'node:events'
import { PassThrough, type Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import * as zlib from 'node:zlib'
import { extract } from 'tar-stream'
import type { Tier } from '../config/tiers.ts'
import type { Db } from '../records/database.ts'
import type { ManifestPart } from '../records/manifest.ts'
import { ARCHIVE_WINDOW_LOG, type SaveSummary } from '../sidekick/protocol.ts'
import { DormouseError } from '../workflows/errors.ts'
import type { PackageReader } from './installed-packages.ts'
import { inPieces } from './pieces.ts'
import type { ObjectStore } from './ports.ts'

export interface TransferredPart {
  readonly part: ManifestPart
  readonly summary: SaveSummary
}

/**
 * One archive stream from a sidekick into the store, verified: the sidekick's count of bytes and
 * entries and its SHA-256 equal what came through here, the stream decoded to the end marker of its
 * tar, and the store reports the same size. Memory is bounded whatever the size. Errors: SaveFailed
 * when anything disagrees, FilesystemTooLarge over `caps`.
 */
export const transfer = async (
  deps: { readonly db: Db; readonly store: ObjectStore },
  archive: {
    readonly saveId: string
    readonly key: string
    readonly groupId: string
    readonly kind: 'full' | 'delta'
    readonly stream: Readable
    summary(): Promise<SaveSummary>
    readonly caps: ArchiveCaps
    /** Sees every entry as it passes. */
    readonly packages?: PackageReader
  },
  signal: AbortSignal,
): Promise<TransferredPart> => {
  // The intent comes before the first byte: whatever happens now, the janitor knows this key.
  await deps.db
    .insertInto('parts')
    .values({
      key: archive.key,
      group_id: archive.groupId,
      save_id: archive.saveId,
      state: 'intended',
      sha256: null,
      size_bytes: null,
    })
    .onConflict((conflict) => conflict.column('key').doNothing())
    .execute()
  const meter = createMeter(archive.caps, archive.packages)
  const upload = new PassThrough({ highWaterMark: UPLOAD_BUFFER_BYTES })
  // Each failure is told by a promise below; an echo of it that comes later must not end the process.
  for (const stream of [archive.stream, upload]) stream.on('error', ignore)
  const broken = new AbortController()
  const either = AbortSignal.any([signal, broken.signal])
  // One side failing must end the others, or they would wait for its bytes for ever.
  const ending = <T>(work: Promise<T>): Promise<T> =>
    work.catch((error: unknown) => {
      broken.abort(error)
      throw error
    })
  const [stored] = await settled([
    ending(deps.store.put(archive.key, upload, either)),
    ending(pipeline(archive.stream, meter.through, upload, { signal: either })),
    ending(meter.decodedWhole),
  ])
  const summary = await archive.summary()
  checkCounts(summary, archive.caps)
  const seen = meter.seen()
  const disagreement =
    summary.bytes !== seen.bytes
      ? `the sidekick sent ${summary.bytes} bytes, ${seen.bytes} arrived`
      : summary.sha256 !== seen.sha256
        ? 'the SHA-256 of what arrived is not the sidekick’s'
        : summary.entries !== seen.entries
          ? `the sidekick sent ${summary.entries} entries, ${seen.entries} arrived`
          : stored.sizeBytes !== seen.bytes
            ? `the store holds ${stored.sizeBytes} of ${seen.bytes} bytes`
            : undefined
  if (disagreement !== undefined)
    throw new DormouseError('SaveFailed', `${archive.key} was not verified: ${disagreement}`)
  const { numUpdatedRows } = await deps.db
    .updateTable('parts')
    .set({ state: 'stored', sha256: seen.sha256, size_bytes: seen.bytes })
    .where('key', '=', archive.key)
    // What the janitor took for abandoned, after a day, is being deleted.
    .where('state', '=', 'intended')
    .executeTakeFirstOrThrow()
  if (numUpdatedRows === 0n)
    throw new DormouseError('SaveFailed', `${archive.key} was given up as abandoned; save again`)
  const { saveId, key, kind } = archive
  return {
    part: {
      kind,
      key,
      sha256: seen.sha256,
      sizeBytes: seen.bytes,
      contentBytes: seen.contentBytes,
      saveId,
      ...(summary.ordinal === undefined ? {} : { ordinal: summary.ordinal }),
    },
    summary,
  }
}

export type ArchiveCaps = Pick<Tier, 'maxBytes' | 'maxEntries'>

/** What an entry may take besides its content: header, padding, names, attributes, its line of removals. */
const ENTRY_BYTES = 8 * 1024
/** What does not compress becomes a little larger. */
const COMPRESSION_SHARE = 1 / 128
const SMALLEST_CAP_BYTES = 1024 * 1024

/** The sidekick keeps to its caps, unless its users took it over: the store is everybody's. */
const limitsOf = ({ maxBytes, maxEntries }: ArchiveCaps) => {
  const contentBytes = maxBytes + maxEntries * ENTRY_BYTES + SMALLEST_CAP_BYTES
  return {
    contentBytes,
    bytes: contentBytes * (1 + COMPRESSION_SHARE),
    // The list of a delta's removals is an entry too.
    entries: maxEntries + 1,
  }
}

const tooLarge = (what: string): DormouseError =>
  new DormouseError(
    'FilesystemTooLarge',
    `the archive has more ${what} than the tier allows; remove files, or take a larger tier`,
  )

/** They end up in the manifest, and the size of the next disk comes from there. */
const checkCounts = (summary: SaveSummary, caps: ArchiveCaps): void => {
  const { treeEntries, treeBytes, ordinal = 0 } = summary
  if (
    ![treeEntries, treeBytes, ordinal].every((count) => Number.isSafeInteger(count) && count >= 0)
  )
    throw new DormouseError('SaveFailed', 'the sidekick’s summary of the save has no sound counts')
  if (treeEntries > caps.maxEntries) throw tooLarge('entries')
  if (treeBytes > caps.maxBytes) throw tooLarge('bytes')
}

const UPLOAD_BUFFER_BYTES = 4 * 1024 * 1024
const ignore = (): void => undefined

/** Sockets give 16 KiB at most; each handover to the decoder's thread costs more than hashing those. */
const PIECE_BYTES = 256 * 1024
const DECODED_BYTES = 1024 * 1024

/** A tar ends in two blocks of zeros. */
const END_MARKER_BYTES = 1024

/** Counts, hashes, decodes and lists what passes; the decoder's pace holds back the stream. */
const createMeter = (caps: ArchiveCaps, packages: PackageReader | undefined) => {
  const limits = limitsOf(caps)
  const hash = createHash('sha256')
  const decoder = zlib.createZstdDecompress({
    chunkSize: DECODED_BYTES,
    params: { [zlib.constants.ZSTD_d_windowLogMax]: ARCHIVE_WINDOW_LOG },
  })
  const untar = extract()
  decoder.on('error', ignore)
  untar.on('error', ignore)
  let bytes = 0
  let contentBytes = 0
  let entries = 0
  let tail: Buffer = Buffer.alloc(0)
  let digest: string | undefined
  untar.on('entry', (header, content, next) => {
    entries += 1
    content.on('error', ignore)
    if (entries > limits.entries) return untar.destroy(tooLarge('entries'))
    const looked =
      packages?.entry(header.name, header.size ?? 0, content as unknown as AsyncIterable<Buffer>) ??
      Promise.resolve()
    content.once('close', () => void looked.then(() => next(), next))
    void looked.then(
      () => content.resume(),
      () => content.resume(),
    )
  })
  const watchTail = async function* (content: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of content) {
      contentBytes += chunk.length
      if (contentBytes > limits.contentBytes) throw tooLarge('bytes')
      tail =
        chunk.length >= END_MARKER_BYTES
          ? chunk.subarray(chunk.length - END_MARKER_BYTES)
          : Buffer.concat([tail, chunk]).subarray(-END_MARKER_BYTES)
      yield chunk
    }
  }
  const decodedWhole = pipeline(decoder, watchTail, untar as unknown as NodeJS.WritableStream).then(
    () => {
      if (tail.length < END_MARKER_BYTES || tail.some((byte) => byte !== 0))
        throw new DormouseError('SaveFailed', 'the archive ended before its end marker')
    },
    (error: unknown) => {
      if (error instanceof DormouseError) throw error
      throw new DormouseError('SaveFailed', 'the archive does not decode', {}, error)
    },
  )
  return {
    decodedWhole,
    async *through(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
      try {
        for await (const chunk of inPieces(source, PIECE_BYTES)) {
          hash.update(chunk)
          bytes += chunk.length
          if (bytes > limits.bytes) throw tooLarge('bytes')
          const room = decoder.write(chunk)
          yield chunk
          if (!room && decoder.writableNeedDrain) await drained(decoder)
        }
        decoder.end()
      } catch (error) {
        decoder.destroy(error instanceof Error ? error : new Error(String(error)))
        throw error
      }
    },
    seen: () => ({ bytes, contentBytes, entries, sha256: (digest ??= hash.digest('hex')) }),
  }
}

/** Or closed: then its end is told by `decodedWhole`. */
const drained = (decoder: EventEmitter): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      decoder.off('drain', done).off('close', done)
      resolve()
    }
    decoder.on('drain', done).on('close', done)
  })

/** All of them, so that none fails unheard; then the first failure, or all values. */
const settled = async <T extends readonly unknown[]>(work: {
  readonly [K in keyof T]: Promise<T[K]>
}): Promise<T> => {
  const results = await Promise.allSettled(work)
  const failed = results.filter((result) => result.status === 'rejected')
  if (failed.length === 0) return (await Promise.all(work)) as unknown as T
  const reasons = failed.map((result): unknown => result.reason)
  // An abort follows the failure that caused it.
  throw reasons.find((reason) => reason instanceof DormouseError) ?? reasons[0]
}
