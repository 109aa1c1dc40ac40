import { errors, importJWK, jwtVerify, type CryptoKey } from 'jose'
import { Failure } from './errors.ts'
import {
  TICKET_ISSUER,
  TICKET_LIFETIME_S,
  TICKET_TYPE,
  ticketAudience,
  type ClaimRequest,
  type TicketScope,
} from './protocol.ts'

/** One fixed algorithm: what a token's own header asks for is never considered. */
const ALGORITHM = 'EdDSA'
const CLOCK_SKEW_S = 5

/** Checks the Authorization header against a claim. Errors: unauthorized, forbidden. */
export type TicketCheck = (authorization: string | undefined, scope: TicketScope) => Promise<void>

/** Errors: invalid, when a key is not an Ed25519 public key. */
export const ticketCheck = async (claim: ClaimRequest): Promise<TicketCheck> => {
  const keys = await Promise.all(claim.ticketKeys.map(importKey))
  const audience = ticketAudience(claim.computeId, claim.generation)
  const known = new Map<string, Ticket>()
  return async (authorization, scope) => {
    const token = /^Bearer ([\w.-]+)$/.exec(authorization ?? '')?.[1]
    if (!token)
      throw new Failure('unauthorized', 'Send `Authorization: Bearer <ticket>`; the gateway does.')
    const held = known.get(token)
    // A gateway sends the same ticket with many requests; its signature is checked once.
    const ticket = held && held.endsAtMs > Date.now() ? held : await verify(token, keys, audience)
    remember(known, token, ticket)
    if (ticket.scope !== 'control' && ticket.scope !== scope)
      throw new Failure('forbidden', `This needs a ticket of scope ${scope}.`)
  }
}

const importKey = async (jwk: ClaimRequest['ticketKeys'][number]): Promise<CryptoKey> => {
  try {
    return (await importJWK({ kty: 'OKP', crv: 'Ed25519', x: jwk.x }, ALGORITHM)) as CryptoKey
  } catch {
    throw new Failure('invalid', 'A ticket key is not an Ed25519 public key (JWK).')
  }
}

interface Ticket {
  readonly scope: TicketScope
  readonly endsAtMs: number
}

const MOST_KNOWN = 100

const remember = (known: Map<string, Ticket>, token: string, ticket: Ticket): void => {
  known.set(token, ticket)
  const [oldest] = known.keys()
  if (known.size > MOST_KNOWN && oldest !== undefined) known.delete(oldest)
}

const verify = async (
  token: string,
  keys: readonly CryptoKey[],
  audience: string,
): Promise<Ticket> => {
  for (const key of keys) {
    try {
      const { payload } = await jwtVerify(token, key, {
        algorithms: [ALGORITHM],
        typ: TICKET_TYPE,
        issuer: TICKET_ISSUER,
        audience,
        requiredClaims: ['exp', 'iat'],
        maxTokenAge: TICKET_LIFETIME_S,
        clockTolerance: CLOCK_SKEW_S,
      })
      const lifetimeS = (payload.exp ?? Infinity) - (payload.iat ?? 0)
      if (lifetimeS > TICKET_LIFETIME_S)
        throw new Failure('unauthorized', `A ticket may live ${TICKET_LIFETIME_S} s at most.`)
      const scope = payload['scp']
      if (scope === 'use' || scope === 'control')
        return { scope, endsAtMs: (payload.exp ?? 0) * 1000 }
      throw new Failure('unauthorized', 'The ticket has no scope.')
    } catch (error) {
      if (error instanceof errors.JWSSignatureVerificationFailed) continue
      if (error instanceof Failure) throw error
      throw new Failure('unauthorized', refusal(error))
    }
  }
  throw new Failure('unauthorized', 'The ticket is not signed by a key of this claim.')
}

const refusal = (error: unknown): string => {
  if (error instanceof errors.JWTExpired) return 'The ticket has expired; get a new one.'
  if (error instanceof errors.JWTClaimValidationFailed)
    return `The ticket is not for this compute and generation (${error.claim}).`
  return 'The ticket is malformed.'
}
