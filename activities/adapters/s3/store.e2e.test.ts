import { createHash, randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { CreateMultipartUploadCommand } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { storeConfig } from '../../../config/config.ts'
import { dropBucket, storeSettings } from '../../testing/bucket.ts'
import { s3Client } from './client.ts'
import { createS3Store } from './store.ts'
import { PART_BYTES } from './upload.ts'

const never = new AbortController().signal
const block = randomBytes(64 * 1024)

function* blocks(bytes: number): Generator<Buffer> {
  for (let left = bytes; left > 0; left -= block.length)
    yield block.subarray(0, Math.min(left, block.length))
}
const sha = async (stream: AsyncIterable<Buffer>): Promise<string> => {
  const hash = createHash('sha256')
  for await (const chunk of stream) hash.update(chunk)
  return hash.digest('hex')
}

describe('the store', () => {
  const { store, settings } = storeSettings()
  beforeAll(async () => {
    await store.ensureBucket()
    await store.ensureBucket()
  })
  afterAll(async () => {
    store.close()
    await dropBucket(settings)
  })

  it.each([
    ['empty', 0],
    ['one byte', 1],
    ['a byte below a part', PART_BYTES - 1],
    ['exactly a part', PART_BYTES],
    ['a byte above a part', PART_BYTES + 1],
    ['many parts', 5 * PART_BYTES + 12_345],
  ])('gives back what was put, %s', async (name, bytes) => {
    const key = `group/round/${name}`
    const put = await store.put(key, Readable.from(blocks(bytes)), never)
    expect(put).toEqual({ sizeBytes: bytes })
    expect(await store.head(key)).toMatchObject({ key, sizeBytes: bytes })
    const expected = await sha(Readable.from(blocks(bytes)))
    expect(await sha((await store.get(key)) as AsyncIterable<Buffer>)).toBe(expected)
  })

  it('is entered without keys of ours where the surroundings give an identity', async () => {
    const { accessKeyId, secretAccessKey, endpoint, bucket } = settings
    const surroundings = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey }
    for (const [name, value] of Object.entries(surroundings)) vi.stubEnv(name, value)
    const given = { S3_ENDPOINT: endpoint, S3_BUCKET: bucket, S3_CREDENTIALS: 'identity' }
    const identified = createS3Store(storeConfig(given))
    try {
      await identified.put('group/identity', Readable.from([block]), never)
      expect(await store.head('group/identity')).toMatchObject({ sizeBytes: block.length })
    } finally {
      identified.close()
      vi.unstubAllEnvs()
    }
    expect(() => storeConfig({ ...given, S3_CREDENTIALS: 'keys' })).toThrow('S3_ACCESS_KEY_ID')
  })

  it('holds an upload back to a few parts of memory however fast its source is', async () => {
    let given = 0
    let most = 0
    const watch = setInterval(() => (most = Math.max(most, process.memoryUsage().arrayBuffers)), 10)
    const before = process.memoryUsage().arrayBuffers
    const source = async function* () {
      for (const chunk of blocks(192 * 1024 * 1024)) {
        given += chunk.length
        yield Buffer.from(chunk)
      }
    }
    await store.put('group/large', Readable.from(source()), never)
    clearInterval(watch)
    expect(given).toBe(192 * 1024 * 1024)
    expect(most - before).toBeLessThan(120 * 1024 * 1024)
  })

  it.each(['abort', 'broken source'])(
    'leaves nothing of an upload that ended by %s',
    async (how) => {
      const key = `group/cut/${how}`
      const stop = new AbortController()
      const source = async function* () {
        for (let count = 0; ; count += 1) {
          await sleep(1)
          if (count === 300 && how === 'abort') stop.abort(new Error('cut'))
          if (count === 300 && how !== 'abort') throw new Error('cut')
          yield block
        }
      }
      await expect(store.put(key, Readable.from(source()), stop.signal)).rejects.toThrow('cut')
      expect(await store.head(key)).toBeUndefined()
      expect((await store.listUploads('group/cut/')).filter((one) => one.key === key)).toEqual([])
    },
  )

  it('lists and aborts uploads that nobody finished; aborted twice is fine', async () => {
    const client = s3Client(settings)
    const begun = await client.send(
      new CreateMultipartUploadCommand({ Bucket: settings.bucket, Key: 'group/left' }),
    )
    const [upload] = await store.listUploads('group/left')
    expect(upload).toMatchObject({ key: 'group/left', uploadId: begun.UploadId })
    await store.abortUpload('group/left', begun.UploadId ?? '')
    await store.abortUpload('group/left', begun.UploadId ?? '')
    expect(await store.listUploads('group/left')).toEqual([])
    client.destroy()
  })

  it('says of what is absent that it is absent, and deletes it again without complaint', async () => {
    expect(await store.head('group/none')).toBeUndefined()
    await expect(store.get('group/none')).rejects.toMatchObject({ name: 'NotFound' })
    await store.delete('group/none')
  })

  it('that does not answer is unavailable, which a retry may help', async () => {
    const away = createS3Store({ ...settings, endpoint: 'http://127.0.0.1:9' })
    await expect(away.head('x')).rejects.toMatchObject({
      name: 'StoreUnavailable',
      retryable: true,
    })
    await expect(away.put('x', Readable.from([block]), never)).rejects.toMatchObject({
      name: 'StoreUnavailable',
    })
    away.close()
  })
})
