import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { SignJWT } from 'jose'
import {
  TICKET_ISSUER,
  TICKET_LIFETIME_S,
  TICKET_TYPE,
  ticketAudience,
  type TicketScope,
} from '../sidekick/protocol.ts'

/** The platform's Ed25519 key pair: signs access tokens and the tickets sidekicks verify. */
export interface SigningKeys {
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
  readonly publicJwk: { readonly kty: 'OKP'; readonly crv: 'Ed25519'; readonly x: string }
}

/** From base64 PKCS#8 DER (DORMOUSE_SIGNING_KEY). */
export const loadSigningKeys = (base64Pkcs8: string): SigningKeys => {
  const privateKey = createPrivateKey({
    key: Buffer.from(base64Pkcs8, 'base64'),
    format: 'der',
    type: 'pkcs8',
  })
  if (privateKey.asymmetricKeyType !== 'ed25519')
    throw new Error('DORMOUSE_SIGNING_KEY must be an Ed25519 key (PKCS#8 DER, base64)')
  const publicKey = createPublicKey(privateKey)
  const { x } = publicKey.export({ format: 'jwk' })
  if (x === undefined) throw new Error('DORMOUSE_SIGNING_KEY has no public half')
  return { privateKey, publicKey, publicJwk: { kty: 'OKP', crv: 'Ed25519', x } }
}

/** A ticket for one generation of one compute, valid 60 s; good for nothing elsewhere. */
export const mintSidekickTicket = (
  keys: SigningKeys,
  ticket: { computeId: string; generation: number; scope: TicketScope; subject: string },
): Promise<string> =>
  new SignJWT({ scp: ticket.scope })
    .setProtectedHeader({ alg: 'EdDSA', typ: TICKET_TYPE })
    .setIssuer(TICKET_ISSUER)
    .setSubject(ticket.subject)
    .setAudience(ticketAudience(ticket.computeId, ticket.generation))
    .setIssuedAt()
    .setExpirationTime(`${TICKET_LIFETIME_S}s`)
    .sign(keys.privateKey)
