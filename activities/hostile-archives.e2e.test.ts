import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import * as zlib from 'node:zlib'
import { pack } from 'tar-stream'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newId } from '../records/ids.ts'
import type { SaveSummary } from '../sidekick/protocol.ts'
import { startGround, type Ground } from './testing/ground.ts'
import { transfer, type ArchiveCaps } from './transfer.ts'

const CAPS: ArchiveCaps = { maxBytes: 2 * 1024 * 1024, maxEntries: 20 }

let ground: Ground
beforeAll(async () => {
  ground = await startGround()
})
afterAll(() => ground.end())

const compressed = (tar: Iterable<Buffer> | AsyncIterable<Buffer>, params = {}): Readable =>
  Readable.from(tar, { objectMode: false }).pipe(zlib.createZstdCompress({ params }))

/** What comes is what the sidekick says came: only the caps are left to object. */
const take = async (
  source: Readable,
  counts: Partial<SaveSummary> & { readonly entries: number },
  signal = new AbortController().signal,
) => {
  const told = { sent: 0 }
  const hash = createHash('sha256')
  const stream = Readable.from(
    (async function* () {
      for await (const chunk of source as AsyncIterable<Buffer>) {
        hash.update(chunk)
        told.sent += chunk.length
        yield chunk
      }
    })(),
    { objectMode: false },
  )
  const saveId = newId()
  const key = `${ground.groupId}/hostile/${saveId}.tar.zst`
  const taken = transfer(
    ground,
    {
      ...{ saveId, key, groupId: ground.groupId, kind: 'full', stream, caps: CAPS },
      summary: async () => ({
        ...{ saveId, kind: 'full', bytes: told.sent, sha256: hash.digest('hex') },
        ...{ treeEntries: counts.entries, treeBytes: 0 },
        ...counts,
      }),
    },
    signal,
  )
  return { told, key, outcome: await taken.catch((error: unknown) => error) }
}

const tarOf = (files: readonly { name: string; content: Buffer }[]): AsyncIterable<Buffer> => {
  const tar = pack()
  for (const { name, content } of files) tar.entry({ name }, content)
  tar.finalize()
  return tar as unknown as AsyncIterable<Buffer>
}

/** One file that never ends. */
async function* endlessFile(piece: () => Buffer, most = 512): AsyncGenerator<Buffer> {
  const header = pack()
  header.entry({ name: 'home/a', size: 4 * 1024 ** 3 })
  for await (const chunk of header as unknown as AsyncIterable<Buffer>) {
    yield chunk
    break
  }
  for (let sent = 0; sent < most; sent += 1) yield piece()
}
const MIB = 1024 * 1024
const noise = Buffer.from(
  Array.from({ length: MIB / 32 }, (_, n) =>
    createHash('sha256').update(String(n)).digest('hex'),
  ).join(''),
  'hex',
)

describe('an archive of a sidekick that its users took over', () => {
  it('is taken as long as it keeps to the caps of the tier', async () => {
    const files = Array.from({ length: 20 }, (_, n) => ({
      name: `home/${n}`,
      content: noise.subarray(0, 100_000),
    }))
    const { outcome } = await take(compressed(tarOf(files)), { entries: 20 })
    expect(outcome).toMatchObject({ part: { kind: 'full' } })
  })

  it('with more bytes is cut off, and nothing of it stays in the store', async () => {
    const { told, key, outcome } = await take(compressed(endlessFile(() => noise)), { entries: 1 })
    expect(outcome).toMatchObject({ name: 'FilesystemTooLarge' })
    expect(told.sent).toBeLessThan(16 * MIB)
    await expect(ground.store.get(key, new AbortController().signal)).rejects.toMatchObject({
      name: 'NotFound',
    })
  })

  it('that decodes to much more than it has is cut off', async () => {
    const { outcome } = await take(compressed(endlessFile(() => Buffer.alloc(MIB))), { entries: 1 })
    expect(outcome).toMatchObject({ name: 'FilesystemTooLarge' })
  })

  it('with more entries is cut off', async () => {
    const files = Array.from({ length: 22 }, (_, n) => ({
      name: `home/${n}`,
      content: noise.subarray(0, 1),
    }))
    const { outcome } = await take(compressed(tarOf(files)), { entries: 22, treeEntries: 1 })
    expect(outcome).toMatchObject({ name: 'FilesystemTooLarge' })
  })

  it('that asks for a window of 128 MiB is not decoded', async () => {
    const { ZSTD_c_windowLog, ZSTD_c_enableLongDistanceMatching } = zlib.constants
    const params = { [ZSTD_c_windowLog]: 27, [ZSTD_c_enableLongDistanceMatching]: 1 }
    const files = [{ name: 'home/a', content: noise }]
    const { outcome } = await take(compressed(tarOf(files), params), { entries: 1 })
    expect(outcome).toMatchObject({ name: 'SaveFailed' })
  })

  it.each([
    ['more entries than the tier has', { treeEntries: 21 }, 'FilesystemTooLarge'],
    ['more bytes than the tier has', { treeBytes: 3 * MIB }, 'FilesystemTooLarge'],
    ['no number', { treeEntries: '1' as unknown as number }, 'SaveFailed'],
    ['less than nothing', { treeBytes: -1 }, 'SaveFailed'],
  ])('whose summary counts %s is not saved', async (_what, counts, name) => {
    const files = [{ name: 'home/a', content: noise.subarray(0, 10) }]
    const { outcome } = await take(compressed(tarOf(files)), { entries: 1, ...counts })
    expect(outcome).toMatchObject({ name })
  })
})
