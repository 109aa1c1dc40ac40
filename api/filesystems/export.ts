import { Readable, type Transform } from 'node:stream'
import * as zlib from 'node:zlib'
import { extract, pack, type Header, type Pack } from 'tar-stream'
import type { ObjectStore } from '../../activities/ports.ts'
import type { Manifest, ManifestPart } from '../../records/manifest.ts'
import { ARCHIVE_REMOVED_LIST, ARCHIVE_WINDOW_LOG } from '../../sidekick/protocol.ts'
import { readRemovals } from '../../sidekick/removals.ts'
import { DormouseError } from '../../workflows/errors.ts'
import { createShadows, paxOf, treePath } from './shadows.ts'

/**
 * The whole tree of a snapshot as one zstd tar. A single full part is passed on as it is stored;
 * a chain is merged: deltas are read once for what they write and remove, then every part is
 * streamed in order, less what a later one replaces. Nothing is unpacked; kept are the paths that
 * deltas write and remove. Errors: FilesystemTooLarge, SnapshotCorrupt before the first byte.
 */
export const exportSnapshot = async (
  store: Pick<ObjectStore, 'get'>,
  manifest: Manifest,
  signal: AbortSignal,
): Promise<Readable> => {
  const [first, ...deltas] = manifest.parts
  if (first === undefined) throw new DormouseError('NotFound', 'this snapshot has no files')
  if (deltas.length === 0) return store.get(first.key, signal)

  const { compress, decompress } = zstd()
  const entriesOf = async (part: ManifestPart) => {
    const stored = await store.get(part.key, signal)
    const tar = extract()
    const unzipped = stored.pipe(decompress())
    stored.once('error', (error) => tar.destroy(error))
    unzipped.once('error', (error) => tar.destroy(error))
    unzipped.pipe(tar)
    return tar
  }

  const shadows = createShadows()
  for (const [index, part] of deltas.entries())
    for await (const entry of await entriesOf(part)) {
      if (entry.header.name === ARCHIVE_REMOVED_LIST)
        for await (const path of readRemovals(
          entry as unknown as AsyncIterable<Buffer>,
          brokenList,
        ))
          shadows.remove(path, index + 1)
      else shadows.write(treePath(entry.header), entry.header.type === 'directory', index + 1)
      entry.resume()
    }

  const merged = pack()
  const merge = async () => {
    for (const [index, part] of manifest.parts.entries())
      for await (const entry of await entriesOf(part)) {
        const { header } = entry
        if (header.name === ARCHIVE_REMOVED_LIST || shadows.hides(treePath(header), index))
          entry.resume()
        else await copyEntry(merged, header, entry as unknown as Readable)
      }
    merged.finalize()
  }
  const compressed = Readable.from(merged as unknown as AsyncIterable<Buffer>, {
    objectMode: false,
  })
  const output = compressed.pipe(compress())
  compressed.once('error', (error) => output.destroy(error))
  merge().catch((error: Error) => {
    merged.destroy(error)
    output.destroy(error)
  })
  signal.addEventListener('abort', () => {
    merged.destroy()
    output.destroy()
  })
  return output
}

const brokenList = (): DormouseError =>
  new DormouseError('SnapshotCorrupt', 'a part of this snapshot has a broken list of removals')

const copyEntry = (tar: Pack, header: Header, body: Readable): Promise<void> =>
  new Promise((resolve, reject) => {
    // These three the library writes itself, from the header.
    const { path: _path, linkpath: _linkpath, size: _size, ...pax } = paxOf(header)
    const copy = {
      ...header,
      pax,
      // With a bit the format masks off: the library takes a bare 0 for "none given".
      mode: (header.mode ?? 0) | 0o100000,
    }
    const done = (error?: Error | null) => (error ? reject(error) : resolve())
    const sink = tar.entry(copy, done)
    if (header.type === 'file' || header.type === 'contiguous-file') {
      body.once('error', reject)
      body.pipe(sink)
    } else {
      body.resume()
      sink.end(undefined)
    }
  })

/** Errors: Unavailable on a Node whose zlib has no zstd, saying what to do. */
export const zstd = (from: object = zlib): { compress(): Transform; decompress(): Transform } => {
  const { createZstdCompress, createZstdDecompress } = from as Record<
    string,
    ((options?: object) => Transform) | undefined
  >
  if (createZstdCompress === undefined || createZstdDecompress === undefined)
    throw new DormouseError(
      'Unavailable',
      `this snapshot has several parts, and Node ${process.versions.node} cannot merge them: run the API on Node 24, or checkpoint into a new filesystem by a fork and one save`,
    )
  const params = { [zlib.constants.ZSTD_d_windowLogMax]: ARCHIVE_WINDOW_LOG }
  return {
    compress: () => createZstdCompress(),
    decompress: () => createZstdDecompress({ params }),
  }
}
