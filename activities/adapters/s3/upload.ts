import { createHash } from 'node:crypto'
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  UploadPartCommand,
  type CompletedPart,
  type S3Client,
} from '@aws-sdk/client-s3'
import { DormouseError } from '../../../workflows/errors.ts'
import { inPieces } from '../../pieces.ts'

export const PART_BYTES = 8 * 1024 * 1024
/** Memory of one upload is at most this and one more, times PART_BYTES. */
const PARTS_AT_ONCE = 3

interface Place {
  readonly client: S3Client
  readonly bucket: string
  readonly key: string
}

/**
 * Uploads a stream of unknown length; one object when it fits a part, else multipart. Every part
 * goes with its SHA-256, which the store checks. Aborted on any failure. Returns the bytes sent.
 */
export const upload = async (
  place: Place,
  body: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<number> => {
  const room = createRoom()
  const parts = inPieces(body, PART_BYTES, room.take)[Symbol.asyncIterator]()
  const first = await parts.next()
  const firstPart = first.done === true ? Buffer.alloc(0) : first.value
  if (firstPart.length < PART_BYTES) {
    await putWhole(place, firstPart, signal)
    return firstPart.length
  }
  return putParts(place, firstPart, { [Symbol.asyncIterator]: () => parts }, room, signal)
}

/** Buffers of parts that were sent take the next ones: each new one would hurry the garbage collector. */
const createRoom = () => {
  const free: Buffer[] = []
  return {
    take: (): Buffer => free.pop() ?? Buffer.allocUnsafeSlow(PART_BYTES),
    giveBack: (part: Buffer): void => void (part.length === PART_BYTES && free.push(part)),
  }
}

const putWhole = async (place: Place, body: Buffer, signal: AbortSignal): Promise<void> => {
  const checksum = sha256(body)
  const answer = await place.client.send(
    new PutObjectCommand({
      Bucket: place.bucket,
      Key: place.key,
      Body: body,
      ContentLength: body.length,
      ChecksumSHA256: checksum,
    }),
    { abortSignal: signal },
  )
  confirm(answer.ChecksumSHA256, checksum, place.key)
}

const putParts = async (
  place: Place,
  first: Buffer,
  rest: AsyncIterable<Buffer>,
  room: ReturnType<typeof createRoom>,
  signal: AbortSignal,
): Promise<number> => {
  const target = { Bucket: place.bucket, Key: place.key }
  const { UploadId } = await place.client.send(
    new CreateMultipartUploadCommand({ ...target, ChecksumAlgorithm: 'SHA256' }),
    { abortSignal: signal },
  )
  if (UploadId === undefined) throw new Error('the store gave no upload id')
  const failed = new AbortController()
  const either = AbortSignal.any([signal, failed.signal])
  const sending = new Set<Promise<void>>()
  const done: CompletedPart[] = []
  let sizeBytes = 0
  const send = async (number: number, part: Buffer): Promise<void> => {
    const checksum = sha256(part)
    const answer = await place.client.send(
      new UploadPartCommand({
        ...target,
        UploadId,
        PartNumber: number,
        Body: part,
        ContentLength: part.length,
        ChecksumSHA256: checksum,
      }),
      { abortSignal: either },
    )
    confirm(answer.ChecksumSHA256, checksum, `${place.key} part ${number}`)
    done.push({ PartNumber: number, ETag: answer.ETag, ChecksumSHA256: checksum })
    room.giveBack(part)
  }
  const queue = async (number: number, part: Buffer): Promise<void> => {
    const one = send(number, part).finally(() => sending.delete(one))
    one.catch((error: unknown) => failed.abort(error))
    sending.add(one)
    sizeBytes += part.length
    if (sending.size >= PARTS_AT_ONCE) await Promise.race(sending)
    either.throwIfAborted()
  }
  try {
    let number = 1
    await queue(number, first)
    for await (const part of rest) await queue((number += 1), part)
    await Promise.all(sending)
    either.throwIfAborted()
    await place.client.send(
      new CompleteMultipartUploadCommand({
        ...target,
        UploadId,
        MultipartUpload: {
          Parts: done.toSorted((a, b) => (a.PartNumber ?? 0) - (b.PartNumber ?? 0)),
        },
      }),
      { abortSignal: signal },
    )
    return sizeBytes
  } catch (error) {
    failed.abort(error)
    await Promise.allSettled(sending)
    // What cannot be aborted now is found by the sweeper, which knows this key.
    await place.client
      .send(new AbortMultipartUploadCommand({ ...target, UploadId }))
      .catch(() => undefined)
    throw failed.signal.reason ?? error
  }
}

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('base64')

/** A store that returns a checksum must return ours; one that returns none refused a wrong one by itself. */
const confirm = (returned: string | undefined, sent: string, what: string): void => {
  if (returned !== undefined && returned !== sent)
    throw new DormouseError('StoreUnavailable', `the store confirmed another checksum for ${what}`)
}
