import { createHash, timingSafeEqual } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { customAlphabet } from 'nanoid'
import { isId, newId } from '../records/ids.ts'

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
/** 43 of 62 letters: 256 bits. */
const newSecret = customAlphabet(BASE62, 43)
const FORMAT = /^dmk_([a-z][a-z0-9]{19})_([0-9A-Za-z]{43})([0-9A-Za-z]{6})$/

export const API_KEY_PREFIX = 'dmk_'

export interface MintedApiKey {
  readonly id: string
  /** Shown once; only its hash is kept. */
  readonly text: string
  readonly secretSha256: Buffer
}

export const mintApiKey = (): MintedApiKey => {
  const id = newId()
  const secret = newSecret()
  const body = `${API_KEY_PREFIX}${id}_${secret}`
  return { id, text: body + checksum(body), secretSha256: hashSecret(secret) }
}

/** Shape and checksum, without a look into the database: a mistyped key costs nothing. */
export const parseApiKey = (text: string): { id: string; secretSha256: Buffer } | undefined => {
  const match = FORMAT.exec(text)
  if (match === null) return undefined
  const [, id, secret, crc] = match as unknown as [string, string, string, string]
  if (!isId(id) || checksum(`${API_KEY_PREFIX}${id}_${secret}`) !== crc) return undefined
  return { id, secretSha256: hashSecret(secret) }
}

export const sameSecret = (stored: Buffer, given: Buffer): boolean =>
  stored.length === given.length && timingSafeEqual(stored, given)

// A plain hash is enough for 256 random bits; slow hashing is for what people can remember.
const hashSecret = (secret: string): Buffer => createHash('sha256').update(secret).digest()

const checksum = (text: string): string => {
  let value = crc32(text)
  let digits = ''
  for (let place = 0; place < 6; place++) {
    digits = BASE62[value % 62] + digits
    value = Math.floor(value / 62)
  }
  return digits
}
