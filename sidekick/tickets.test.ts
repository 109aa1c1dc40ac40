import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { ticketAudience, TICKET_ISSUER, TICKET_TYPE, type ClaimRequest } from './protocol.ts'
import { ticketCheck } from './tickets.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'] }))
afterEach(() => void vi.useRealTimers())

const make = async () => {
  const { privateKey, publicKey } = await generateKeyPair('EdDSA', { crv: 'Ed25519' })
  const ticketKeys = [await exportJWK(publicKey)]
  const claim = { computeId: 'c', generation: 1, ticketKeys } as unknown as ClaimRequest
  const ticket = await new SignJWT({ scp: 'use' })
    .setProtectedHeader({ alg: 'EdDSA', typ: TICKET_TYPE })
    .setIssuer(TICKET_ISSUER)
    .setAudience(ticketAudience('c', 1))
    .setIssuedAt()
    .setExpirationTime('60s')
    .sign(privateKey)
  return { check: await ticketCheck(claim), authorization: `Bearer ${ticket}` }
}

it('a ticket that was good is refused after its end, and never good for more than its scope', async () => {
  const { check, authorization } = await make()
  await check(authorization, 'use')
  await check(authorization, 'use')
  await expect(check(authorization, 'control')).rejects.toMatchObject({ code: 'forbidden' })
  vi.setSystemTime(Date.now() + 70_000)
  await expect(check(authorization, 'use')).rejects.toMatchObject({ code: 'unauthorized' })
})

it('a ticket that differs in one letter of its signature from a good one is refused', async () => {
  const { check, authorization } = await make()
  await check(authorization, 'use')
  const at = authorization.length - 10
  const other = authorization[at] === 'A' ? 'B' : 'A'
  const forged = `${authorization.slice(0, at)}${other}${authorization.slice(at + 1)}`
  await expect(check(forged, 'use')).rejects.toMatchObject({ code: 'unauthorized' })
})
