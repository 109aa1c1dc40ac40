import { jwtVerify, SignJWT } from 'jose'
import type { SigningKeys } from '../auth/keys.ts'
import type { Principal } from '../auth/principal.ts'

/** Enough of a principal to look it up again. */
export type PrincipalRef = Pick<Principal, 'userId' | 'sessionId' | 'keyId'>

const TYPE = 'door+jwt'
const ISSUER = 'dormouse'
export const DOOR_COOKIE_LIFETIME_S = 8 * 3600

/** Host-only; over https the prefix makes the browser enforce it, so that no sibling can toss one. */
export const doorCookieName = (gatewayOrigin: string): string =>
  gatewayOrigin.startsWith('https:') ? '__Host-dormouse_door' : 'dormouse_door'

/** The whole Set-Cookie value. The token is good for `host` (name and port) and nowhere else. */
export const mintDoorCookie = async (
  keys: SigningKeys,
  door: { readonly origin: string; readonly host: string; readonly principal: PrincipalRef },
): Promise<string> => {
  const { sessionId, keyId, userId } = door.principal
  const token = await new SignJWT({
    ...(sessionId ? { sid: sessionId } : {}),
    ...(keyId ? { key: keyId } : {}),
  })
    .setProtectedHeader({ alg: 'EdDSA', typ: TYPE })
    .setIssuer(ISSUER)
    .setAudience(door.host.toLowerCase())
    .setSubject(userId)
    .setIssuedAt()
    .setExpirationTime(`${DOOR_COOKIE_LIFETIME_S}s`)
    .sign(keys.privateKey)
  const secure = door.origin.startsWith('https:') ? '; Secure' : ''
  return `${doorCookieName(door.origin)}=${token}; Path=/; HttpOnly; SameSite=Lax; Max-Age=${DOOR_COOKIE_LIFETIME_S}${secure}`
}

export const verifyDoorCookie = async (
  keys: SigningKeys,
  token: string,
  host: string,
): Promise<PrincipalRef | undefined> => {
  try {
    const { payload } = await jwtVerify(token, keys.publicKey, {
      algorithms: ['EdDSA'],
      typ: TYPE,
      issuer: ISSUER,
      audience: host.toLowerCase(),
      requiredClaims: ['sub', 'exp', 'iat'],
    })
    const { sub, sid, key } = payload
    if (sub === undefined) return undefined
    return {
      userId: sub,
      ...(typeof sid === 'string' ? { sessionId: sid } : {}),
      ...(typeof key === 'string' ? { keyId: key } : {}),
    }
  } catch {
    return undefined
  }
}
