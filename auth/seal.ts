import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'

/**
 * Seals values that must be unreadable in the database: AES-256-GCM, a fresh nonce each, bound to
 * `context` (group and compute), so that a sealed value copied to another row does not open.
 * Layout: version 0x01, 12-byte nonce, 16-byte tag, ciphertext.
 */
export interface Sealer {
  seal(plain: string, context: string): Buffer
  /** Throws when key, context or bytes are not the ones it was sealed with. */
  open(sealed: Buffer, context: string): string
}

/** `base64Key`: 32 bytes (DORMOUSE_SEAL_KEY). */
export const createSealer = (base64Key: string): Sealer => {
  const key = Buffer.from(base64Key, 'base64')
  if (key.length !== 32) throw new Error('DORMOUSE_SEAL_KEY must be 32 bytes in base64')
  return {
    seal(plain, context) {
      const nonce = randomBytes(12)
      const cipher = createCipheriv('aes-256-gcm', key, nonce)
      cipher.setAAD(Buffer.from(context))
      const body = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()])
      return Buffer.concat([Buffer.of(1), nonce, cipher.getAuthTag(), body])
    },
    open(sealed, context) {
      if (sealed[0] !== 1) throw new Error('sealed value has an unknown version')
      const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(1, 13))
      decipher.setAAD(Buffer.from(context))
      decipher.setAuthTag(sealed.subarray(13, 29))
      return decipher.update(sealed.subarray(29), undefined, 'utf8') + decipher.final('utf8')
    },
  }
}

/** Context of a compute's env. */
export const envContext = (groupId: string, computeId: string): string =>
  `env:${groupId}:${computeId}`
