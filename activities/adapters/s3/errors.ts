import { S3ServiceException } from '@aws-sdk/client-s3'
import { DormouseError } from '../../../workflows/errors.ts'

/** A store's failure by name: NotFound for an absent key, StoreUnavailable (retryable) for the rest. */
export const storeError = (error: unknown, doing: string): Error => {
  if (error instanceof DormouseError) return error
  if (error instanceof Error && error.name === 'AbortError') return error
  // The SDK's errors carry requests, headers and sockets: none of that goes into a log or a history.
  if (isAbsent(error)) return new DormouseError('NotFound', `${doing}: no such object`)
  const said = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  return new DormouseError('StoreUnavailable', `${doing}: ${said}`)
}

export const isAbsent = (error: unknown): boolean =>
  error instanceof S3ServiceException &&
  (error.name === 'NoSuchKey' || error.name === 'NotFound' || error.name === 'NoSuchUpload')
