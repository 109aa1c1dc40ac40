import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto'

export interface Certificate {
  readonly keyPem: string
  readonly certPem: string
  /** SHA-256 of the DER, hex, lower case: what callers pin. */
  readonly fingerprint: string
}

/**
 * A P-256 key and its self-signed certificate, made at every start and never written down.
 * The DER is by hand: callers pin the fingerprint and look at nothing else, and the smallest
 * library for it takes 60 ms to load where all of this takes one.
 */
export const makeCertificate = (now = new Date()): Certificate => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const name = sequence(set(sequence(oid('2.5.4.3'), utf8String('dormouse sidekick'))))
  const serial = randomBytes(16)
  serial[0] = (serial[0]! & 0x7f) | 0x40 // a positive integer of full length
  const yearMs = 365.25 * 86_400_000
  const body = sequence(
    der(0xa0, integer(Buffer.from([2]))), // version 3
    integer(serial),
    ECDSA_WITH_SHA256,
    name,
    sequence(
      time(new Date(now.getTime() - 86_400_000)),
      time(new Date(now.getTime() + 10 * yearMs)),
    ),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
  )
  const certificate = sequence(body, ECDSA_WITH_SHA256, bitString(sign('sha256', body, privateKey)))
  return {
    keyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    certPem: pem(certificate),
    fingerprint: createHash('sha256').update(certificate).digest('hex'),
  }
}

const der = (tag: number, ...parts: readonly Buffer[]): Buffer => {
  const content = Buffer.concat(parts)
  const size = content.length
  const length = size < 0x80 ? [size] : size < 0x100 ? [0x81, size] : [0x82, size >> 8, size & 0xff]
  return Buffer.concat([Buffer.from([tag, ...length]), content])
}
const sequence = (...parts: readonly Buffer[]) => der(0x30, ...parts)
const set = (...parts: readonly Buffer[]) => der(0x31, ...parts)
const integer = (bytes: Buffer) => der(0x02, bytes)
const utf8String = (text: string) => der(0x0c, Buffer.from(text))
const bitString = (bytes: Buffer) => der(0x03, Buffer.from([0]), bytes)
/** GeneralizedTime; UTCTime before 2050, as RFC 5280 wants. */
const time = (date: Date) => {
  const digits = date.toISOString().replace(/[-:T]|\.\d+/g, '')
  return date.getUTCFullYear() < 2050
    ? der(0x17, Buffer.from(digits.slice(2)))
    : der(0x18, Buffer.from(digits))
}
const oid = (dotted: string) => {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  return der(0x06, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]))
}
const base128 = (value: number): number[] => {
  const bytes = [value & 0x7f]
  for (let left = value >> 7; left > 0; left >>= 7) bytes.unshift((left & 0x7f) | 0x80)
  return bytes
}
const ECDSA_WITH_SHA256 = sequence(oid('1.2.840.10045.4.3.2'))

const pem = (bytes: Buffer) =>
  `-----BEGIN CERTIFICATE-----\n${bytes.toString('base64').replace(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`
