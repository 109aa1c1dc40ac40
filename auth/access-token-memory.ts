import { verifyAccessToken, type VerifiedClaims } from './access-token.ts'
import type { SigningKeys } from './keys.ts'

const MOST_TOKENS = 10_000

/**
 * verifyAccessToken that checks the signature of each token once. Only what can never change is
 * remembered, until the token expires; whether its login still holds is asked every time.
 */
export const createTokenMemory = (keys: SigningKeys) => {
  const known = new Map<string, VerifiedClaims>()
  return async (token: string): Promise<VerifiedClaims | undefined> => {
    const remembered = known.get(token)
    if (remembered !== undefined) {
      if (remembered.expiresAtS > Date.now() / 1000) return remembered
      known.delete(token)
      return undefined
    }
    const claims = await verifyAccessToken(keys, token)
    if (claims === undefined) return undefined
    const [oldest] = known.keys()
    if (known.size >= MOST_TOKENS && oldest !== undefined) known.delete(oldest)
    known.set(token, claims)
    return claims
  }
}
