import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { pack } from 'tar-stream'
import { expect, it } from 'vitest'
import type { Manifest, ManifestPart } from '../../records/manifest.ts'
import { ARCHIVE_REMOVED_LIST } from '../../sidekick/protocol.ts'
import { exportSnapshot, zstd } from './export.ts'

it('of a chain with a broken list of removals is refused before its first byte', async () => {
  const store = { get: async () => Readable.from(listing('no list')).pipe(zstd().compress()) }
  const part: ManifestPart = { kind: 'delta', key: 'k', sha256: '', sizeBytes: 1, saveId: 's' }
  const manifest: Manifest = {
    ...{ version: 1, format: 'tar+zstd', computeId: 'c', generation: 1, epoch: 1 },
    ...{ imageDigest: 'host', parts: [part, part], entries: 1, sizeBytes: 1 },
  }
  const { signal } = new AbortController()
  const exported = exportSnapshot(store, manifest, signal).then((tar) => text(tar))
  await expect(exported).rejects.toMatchObject({ name: 'SnapshotCorrupt' })
})

const listing = (content: string): AsyncIterable<Buffer> => {
  const tar = pack()
  tar.entry({ name: ARCHIVE_REMOVED_LIST }, content)
  tar.finalize()
  return tar as unknown as AsyncIterable<Buffer>
}
