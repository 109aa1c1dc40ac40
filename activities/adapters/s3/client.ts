import { S3Client } from '@aws-sdk/client-s3'
import type { StoreConfig } from '../../../config/config.ts'

/** Path style and no trailing checksums: what every S3-compatible store understands. */
export const s3Client = (config: StoreConfig): S3Client =>
  new S3Client({
    endpoint: config.endpoint,
    region: config.region,
    credentials: {
      accessKeyId: config.accessKeyId,
      secretAccessKey: config.secretAccessKey,
    },
    forcePathStyle: true,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    maxAttempts: 3,
    requestHandler: { connectionTimeout: 5_000, requestTimeout: 60_000 },
  })
