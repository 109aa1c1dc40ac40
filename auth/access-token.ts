import { calculateJwkThumbprint, jwtVerify, SignJWT } from 'jose'
import type { SigningKeys } from './keys.ts'

const ACCESS_TOKEN_TYPE = 'at+jwt'
export const ACCESS_TOKEN_ISSUER = 'dormouse'
export const ACCESS_TOKEN_AUDIENCE = 'dormouse-api'
export const ACCESS_TOKEN_LIFETIME_S = 15 * 60

export interface AccessClaims {
  readonly userId: string
  /** Family of refresh tokens this login belongs to: revoked with it. */
  readonly sessionId: string
}

export interface VerifiedClaims extends AccessClaims {
  /** Epoch seconds. */
  readonly expiresAtS: number
}

/** A JWT that names a user for 15 minutes (or less); good at every door of this platform and nowhere else. */
export const mintAccessToken = async (
  keys: SigningKeys,
  claims: AccessClaims,
  lifetimeS = ACCESS_TOKEN_LIFETIME_S,
): Promise<string> =>
  new SignJWT({ sid: claims.sessionId })
    .setProtectedHeader({ alg: 'EdDSA', typ: ACCESS_TOKEN_TYPE, kid: await keyId(keys) })
    .setIssuer(ACCESS_TOKEN_ISSUER)
    .setAudience(ACCESS_TOKEN_AUDIENCE)
    .setSubject(claims.userId)
    .setIssuedAt()
    .setExpirationTime(`${lifetimeS}s`)
    .sign(keys.privateKey)

/** The claims, or undefined for everything that is not exactly a token this platform minted. */
export const verifyAccessToken = async (
  keys: SigningKeys,
  token: string,
): Promise<VerifiedClaims | undefined> => {
  if (!hasCanonicalJson(token)) return undefined
  try {
    const { payload, protectedHeader } = await jwtVerify(token, keys.publicKey, {
      algorithms: ['EdDSA'],
      typ: ACCESS_TOKEN_TYPE,
      issuer: ACCESS_TOKEN_ISSUER,
      audience: ACCESS_TOKEN_AUDIENCE,
      requiredClaims: ['sub', 'sid', 'iat', 'exp'],
      maxTokenAge: ACCESS_TOKEN_LIFETIME_S,
    })
    // Headers that point elsewhere for a key (jku, jwk, x5u) are not ignored but refused.
    if (Object.keys(protectedHeader).sort().join() !== 'alg,kid,typ') return undefined
    if (protectedHeader.kid !== (await keyId(keys))) return undefined
    const { sub, sid, exp, iat } = payload
    if (sub === undefined || typeof sid !== 'string') return undefined
    const expiresAtS = Math.min(exp ?? 0, (iat ?? 0) + ACCESS_TOKEN_LIFETIME_S)
    return { userId: sub, sessionId: sid, expiresAtS }
  } catch {
    return undefined
  }
}

/** Two readers of a duplicated JSON key may see different values; we never write one, so none is read. */
const hasCanonicalJson = (token: string): boolean => {
  const parts = token.split('.')
  if (parts.length !== 3) return false
  return parts.slice(0, 2).every((part) => {
    const text = Buffer.from(part, 'base64url').toString('utf8')
    try {
      return JSON.stringify(JSON.parse(text)) === text
    } catch {
      return false
    }
  })
}

const thumbprints = new WeakMap<SigningKeys, Promise<string>>()

const keyId = (keys: SigningKeys): Promise<string> => {
  const known = thumbprints.get(keys)
  if (known !== undefined) return known
  const thumbprint = calculateJwkThumbprint(keys.publicJwk)
  thumbprints.set(keys, thumbprint)
  return thumbprint
}
