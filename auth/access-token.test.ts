import { createHmac, generateKeyPairSync, sign } from 'node:crypto'
import { describe, expect, it, vi } from 'vitest'
import {
  ACCESS_TOKEN_AUDIENCE,
  ACCESS_TOKEN_ISSUER,
  mintAccessToken,
  verifyAccessToken,
} from './access-token.ts'
import { createTokenMemory } from './access-token-memory.ts'
import { loadSigningKeys, mintSidekickTicket } from './keys.ts'

const newKeys = () =>
  loadSigningKeys(
    generateKeyPairSync('ed25519')
      .privateKey.export({ format: 'der', type: 'pkcs8' })
      .toString('base64'),
  )
const keys = newKeys()
const claims = { userId: 'u1', sessionId: 's1' }
const good = await mintAccessToken(keys, claims)
const header = JSON.parse(Buffer.from(good.split('.')[0]!, 'base64url').toString()) as object
const now = Math.floor(Date.now() / 1000)
const payload = {
  sid: 's1',
  iss: ACCESS_TOKEN_ISSUER,
  aud: ACCESS_TOKEN_AUDIENCE,
  sub: 'u1',
  iat: now,
  exp: now + 900,
}

const b64 = (text: string) => Buffer.from(text).toString('base64url')
/** Signed with the platform's own key, so that only the named flaw can be why it is refused. */
const forge = (headerText: string, payloadText: string, key = keys.privateKey) => {
  const body = `${b64(headerText)}.${b64(payloadText)}`
  return `${body}.${sign(null, Buffer.from(body), key).toString('base64url')}`
}
const withHeader = (extra: object) =>
  forge(JSON.stringify({ ...header, ...extra }), JSON.stringify(payload))
const withPayload = (extra: object) =>
  forge(JSON.stringify(header), JSON.stringify({ ...payload, ...extra }))
const hs256 = (secret: string | Buffer) => {
  const body = `${b64(JSON.stringify({ ...header, alg: 'HS256' }))}.${b64(JSON.stringify(payload))}`
  return `${body}.${createHmac('sha256', secret).update(body).digest('base64url')}`
}
const publicPem = keys.publicKey.export({ format: 'pem', type: 'spki' }) as string
const publicDer = keys.publicKey.export({ format: 'der', type: 'spki' })

describe('an access token', () => {
  it('names its user and session', async () => {
    expect(await verifyAccessToken(keys, good)).toMatchObject(claims)
    expect(await verifyAccessToken(keys, withPayload({}))).toMatchObject(claims)
  })

  it('that was seen before is good until it expires and no second longer', async () => {
    vi.useFakeTimers({ now: now * 1000 })
    const verify = createTokenMemory(keys)
    expect(await verify(good)).toMatchObject(claims)
    vi.setSystemTime((now + 899) * 1000)
    expect(await verify(good)).toMatchObject(claims)
    vi.setSystemTime((now + 902) * 1000)
    expect(await verify(good)).toBeUndefined()
    expect(await verify(good)).toBeUndefined()
    vi.useRealTimers()
    expect(await verify(`${good}x`)).toBeUndefined()
  })

  const refused: Record<string, string> = {
    'alg none': `${b64('{"alg":"none","typ":"at+jwt"}')}.${b64(JSON.stringify(payload))}.`,
    'alg None with our signature': withHeader({ alg: 'None' }),
    'HS256 with the public key as PEM': hs256(publicPem),
    'HS256 with the PEM and a leading space': hs256(` ${publicPem}`),
    'HS256 with the PEM and a leading newline': hs256(`\n${publicPem}`),
    'HS256 with the PEM and a trailing tab': hs256(`${publicPem}\t`),
    'HS256 with the public key as DER': hs256(publicDer),
    'HS256 with x of the JWK': hs256(keys.publicJwk.x),
    'another key': forge(
      JSON.stringify(header),
      JSON.stringify(payload),
      generateKeyPairSync('ed25519').privateKey,
    ),
    'another kid': withHeader({ kid: 'other' }),
    'no kid': forge('{"alg":"EdDSA","typ":"at+jwt"}', JSON.stringify(payload)),
    jku: withHeader({ jku: 'https://evil.example/keys' }),
    jwk: withHeader({ jwk: keys.publicJwk }),
    x5u: withHeader({ x5u: 'https://evil.example/cert' }),
    'an unknown crit': withHeader({ crit: ['x'], x: 1 }),
    'another typ': withHeader({ typ: 'JWT' }),
    'another audience': withPayload({ aud: 'other' }),
    'no audience': withPayload({ aud: undefined }),
    'another issuer': withPayload({ iss: 'other' }),
    'no expiry': withPayload({ exp: undefined }),
    'past its expiry': withPayload({ iat: now - 901, exp: now - 1 }),
    'expired this second': withPayload({ exp: now }),
    'older than 15 minutes whatever its expiry': withPayload({ iat: now - 1000, exp: now + 9e9 }),
    'not valid yet': withPayload({ nbf: now + 60 }),
    'issued in the future': withPayload({ iat: now + 60, exp: now + 900 }),
    'no session': withPayload({ sid: undefined }),
    'a session that is no text': withPayload({ sid: { $ne: '' } }),
    'a payload that says sub twice': forge(
      JSON.stringify(header),
      JSON.stringify(payload).replace('"sub":"u1"', '"sub":"u2","sub":"u1"'),
    ),
    'a header that says alg twice': forge(
      JSON.stringify(header).replace('"alg":"EdDSA"', '"alg":"none","alg":"EdDSA"'),
      JSON.stringify(payload),
    ),
    'a fourth part': `${good}.x`,
    'no signature': good.split('.').slice(0, 2).join('.') + '.',
    'one bit of the payload changed': good.replace(/\.(.)/, (_, c: string) =>
      c === 'e' ? '.f' : '.e',
    ),
    'a refresh token': 'dmr_abc',
    nothing: '',
  }
  it.each(Object.entries(refused))('is refused: %s', async (_name, token) => {
    expect(await verifyAccessToken(keys, token)).toBeUndefined()
  })

  it('is refused when it is a ticket for a sidekick', async () => {
    const ticket = await mintSidekickTicket(keys, {
      computeId: 'c',
      generation: 1,
      scope: 'use',
      subject: 'u1',
    })
    expect(await verifyAccessToken(keys, ticket)).toBeUndefined()
  })

  it('is refused by another platform', async () => {
    expect(await verifyAccessToken(newKeys(), good)).toBeUndefined()
  })
})
