import type { Readable } from 'node:stream'
import {
  AbortMultipartUploadCommand,
  CreateBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  ListMultipartUploadsCommand,
  type ListMultipartUploadsCommandOutput,
  type S3Client,
} from '@aws-sdk/client-s3'
import type { StoreConfig } from '../../../config/config.ts'
import { DormouseError } from '../../../workflows/errors.ts'
import type { ObjectStore, StoredObject } from '../../ports.ts'
import { s3Client } from './client.ts'
import { isAbsent, storeError } from './errors.ts'
import { upload } from './upload.ts'

export interface S3Store extends ObjectStore {
  /** Makes the bucket if it is not there. Errors: StoreUnavailable. */
  ensureBucket(): Promise<void>
  close(): void
}

export const createS3Store = (config: StoreConfig, client = s3Client(config)): S3Store => {
  const { bucket } = config
  const at = (key: string) => ({ Bucket: bucket, Key: key })
  const asking = async <T>(doing: string, call: () => Promise<T>): Promise<T> => {
    try {
      return await call()
    } catch (error) {
      throw storeError(error, doing)
    }
  }
  const head = (key: string): Promise<StoredObject | undefined> =>
    asking(`look at ${key}`, async () => {
      try {
        const found = await client.send(new HeadObjectCommand(at(key)))
        return {
          key,
          sizeBytes: found.ContentLength ?? 0,
          modifiedAtMs: found.LastModified?.getTime() ?? 0,
        }
      } catch (error) {
        if (isAbsent(error)) return undefined
        throw error
      }
    })

  return {
    async put(key, body, signal) {
      const sizeBytes = await asking(`store ${key}`, () =>
        upload({ client, bucket, key }, body as AsyncIterable<Uint8Array>, signal),
      ).catch((error: unknown) => {
        throw signal.aborted ? signal.reason : error
      })
      const stored = await head(key)
      if (stored?.sizeBytes !== sizeBytes)
        throw new DormouseError(
          'StoreUnavailable',
          `the store holds ${stored?.sizeBytes ?? 'nothing'} of ${sizeBytes} bytes of ${key}`,
        )
      return { sizeBytes }
    },
    get: (key, signal) =>
      asking(`read ${key}`, async () => {
        const answer = await client.send(
          new GetObjectCommand(at(key)),
          signal === undefined ? {} : { abortSignal: signal },
        )
        return answer.Body as Readable
      }),
    head,
    delete: (key) =>
      asking(
        `delete ${key}`,
        async () => void (await client.send(new DeleteObjectCommand(at(key)))),
      ),
    list: (prefix) => listObjects(client, bucket, prefix),
    listUploads: (prefix) =>
      asking(`list uploads of ${prefix}`, async () => {
        const found: { key: string; uploadId: string; startedAtMs: number }[] = []
        let marker: { KeyMarker?: string; UploadIdMarker?: string } | undefined = {}
        while (marker !== undefined) {
          const page: ListMultipartUploadsCommandOutput = await client.send(
            new ListMultipartUploadsCommand({ Bucket: bucket, Prefix: prefix, ...marker }),
          )
          for (const { Key, UploadId, Initiated } of page.Uploads ?? [])
            if (Key !== undefined && UploadId !== undefined)
              found.push({
                key: Key,
                uploadId: UploadId,
                // Unknown is young: nothing is aborted for want of a date.
                startedAtMs: Initiated?.getTime() ?? Date.now(),
              })
          marker = nextPage(page)
        }
        return found
      }),
    abortUpload: (key, uploadId) =>
      asking(`abort upload of ${key}`, async () => {
        try {
          await client.send(new AbortMultipartUploadCommand({ ...at(key), UploadId: uploadId }))
        } catch (error) {
          if (!isAbsent(error)) throw error
        }
      }),
    ensureBucket: () =>
      asking(`find bucket ${bucket}`, async () => {
        try {
          await client.send(new HeadBucketCommand({ Bucket: bucket }))
        } catch {
          await client.send(new CreateBucketCommand({ Bucket: bucket })).catch(ifAlreadyOurs)
        }
      }),
    close: () => client.destroy(),
  }
}

async function* listObjects(
  client: S3Client,
  bucket: string,
  prefix: string,
): AsyncGenerator<StoredObject> {
  let token: string | undefined
  do {
    const page = await client
      .send(new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, ContinuationToken: token }))
      .catch((error: unknown) => {
        throw storeError(error, `list ${prefix}`)
      })
    for (const { Key, Size, LastModified } of page.Contents ?? [])
      if (Key !== undefined)
        yield {
          key: Key,
          sizeBytes: Size ?? 0,
          modifiedAtMs: LastModified?.getTime() ?? Date.now(),
        }
    token = page.NextContinuationToken
  } while (token !== undefined)
}

const ifAlreadyOurs = (error: unknown): void => {
  const name = error instanceof Error ? error.name : ''
  if (!['BucketAlreadyOwnedByYou', 'BucketAlreadyExists'].includes(name)) throw error
}

const nextPage = (
  page: ListMultipartUploadsCommandOutput,
): { KeyMarker?: string; UploadIdMarker?: string } | undefined =>
  page.IsTruncated === true && page.NextKeyMarker
    ? {
        KeyMarker: page.NextKeyMarker,
        ...(page.NextUploadIdMarker ? { UploadIdMarker: page.NextUploadIdMarker } : {}),
      }
    : undefined
