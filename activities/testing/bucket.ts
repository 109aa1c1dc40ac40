import {
  AbortMultipartUploadCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
} from '@aws-sdk/client-s3'
import type { StoreConfig } from '../../config/config.ts'
import { newId } from '../../records/ids.ts'
import { s3Client } from '../adapters/s3/client.ts'
import { createS3Store } from '../adapters/s3/store.ts'
import { needed } from './needed.ts'

export const storeSettings = () => {
  const settings = {
    endpoint: needed('S3_ENDPOINT'),
    region: 'us-east-1',
    bucket: `suite-${newId()}`,
    accessKeyId: needed('S3_ACCESS_KEY_ID'),
    secretAccessKey: needed('S3_SECRET_ACCESS_KEY'),
  }
  return { settings, store: createS3Store(settings) }
}

/** Each bucket takes volumes of the store's disk; a suite that leaves its own starves the next ones. */
export const dropBucket = async (settings: StoreConfig): Promise<void> => {
  const { bucket: Bucket } = settings
  const client = s3Client(settings)
  const uploads = await client.send(new ListMultipartUploadsCommand({ Bucket }))
  for (const { Key, UploadId } of uploads.Uploads ?? [])
    await client.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId }))
  const objects = await client.send(new ListObjectsV2Command({ Bucket }))
  for (const { Key } of objects.Contents ?? [])
    await client.send(new DeleteObjectCommand({ Bucket, Key }))
  await client.send(new DeleteBucketCommand({ Bucket }))
  client.destroy()
}
