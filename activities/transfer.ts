import { createHash } from 'node:crypto'
import type { EventEmitter } from 'node:events'
import { PassThrough, type Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import * as zlib from 'node:zlib'
import { extract } from 'tar-stream'
import type { Db } from '../records/database.ts'
import type { ManifestPart } from '../records/manifest.ts'
import type { SaveSummary } from '../sidekick/protocol.ts'
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
 * when anything disagrees.
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
  const meter = createMeter(archive.packages)
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
  await deps.db
    .updateTable('parts')
    .set({ state: 'stored', sha256: seen.sha256, size_bytes: seen.bytes })
    .where('key', '=', archive.key)
    .execute()
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

const UPLOAD_BUFFER_BYTES = 4 * 1024 * 1024
const ignore = (): void => undefined

/** Sockets give 16 KiB at most; each handover to the decoder's thread costs more than hashing those. */
const PIECE_BYTES = 256 * 1024
const DECODED_BYTES = 1024 * 1024

/** A tar ends in two blocks of zeros. */
const END_MARKER_BYTES = 1024

/** Counts, hashes, decodes and lists what passes; the decoder's pace holds back the stream. */
const createMeter = (packages: PackageReader | undefined) => {
  const hash = createHash('sha256')
  const decoder = zlib.createZstdDecompress({ chunkSize: DECODED_BYTES })
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
