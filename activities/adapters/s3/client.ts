import { S3Client } from '@aws-sdk/client-s3'
import type { StoreConfig } from '../../../config/config.ts'

/** Path style and no trailing checksums: what every S3-compatible store understands. */
export const s3Client = (config: StoreConfig): S3Client => {
  const { accessKeyId, secretAccessKey } = config
  const client = new S3Client({
    endpoint: config.endpoint,
    region: config.region,
    // Without keys the SDK asks its surroundings: a web identity's token, the agent of the node.
    ...(accessKeyId === undefined || secretAccessKey === undefined
      ? {}
      : { credentials: { accessKeyId, secretAccessKey } }),
    forcePathStyle: true,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    maxAttempts: 3,
    requestHandler: { connectionTimeout: 5_000, requestTimeout: 60_000 },
  })
  // A body whose SHA-256 is sent along is signed by that one, instead of being hashed once more.
  client.middlewareStack.add(
    (next) => (args) => {
      const { headers } = args.request as { headers: Record<string, string> }
      const checksum = headers['x-amz-checksum-sha256']
      if (checksum !== undefined)
        headers['x-amz-content-sha256'] = Buffer.from(checksum, 'base64').toString('hex')
      return next(args)
    },
    { name: 'signedWithItsChecksum', step: 'build' },
  )
  return client
}
