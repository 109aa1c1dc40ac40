import type { DetailedPeerCertificate, TLSSocket } from 'node:tls'
import { createHash } from 'node:crypto'
import { connect } from 'node:tls'
import { Client, type buildConnector } from 'undici'
import { DormouseError } from '../../../workflows/errors.ts'
import type { SidekickAddress } from '../../ports.ts'

const CONNECT_MS = 5_000
/** Below the sidekick's own keep-alive, so no request meets a closing connection. */
const KEEP_ALIVE_MS = 30_000

/** A client of one sidekick: every connection shows the same certificate, or none is made. */
export interface SidekickConnection {
  readonly client: Client
  /** SHA-256 of its certificate, lower-case hex; undefined until the first connection. */
  fingerprint(): string | undefined
}

/** `pinned`: the only certificate accepted; without it the first one seen is, for hello. */
export const openConnection = (address: SidekickAddress, pinned?: string): SidekickConnection => {
  let expected = pinned
  const connector: buildConnector.connector = (_options, callback) => {
    const socket = connect({
      ...(address.kind === 'unix'
        ? { path: address.path }
        : { host: address.host, port: address.port }),
      ALPNProtocols: ['http/1.1'],
      minVersion: 'TLSv1.3',
      // Self-signed: trusted by its fingerprint below and by nothing else.
      rejectUnauthorized: false,
    })
    const timer = setTimeout(() => socket.destroy(new Error('connect timed out')), CONNECT_MS)
    socket.once('secureConnect', () => {
      clearTimeout(timer)
      const seen = fingerprintOf(socket)
      expected ??= seen
      if (seen === expected) return callback(null, socket)
      socket.destroy()
      callback(new DormouseError('SandboxGone', 'another sidekick answers at this address'), null)
    })
    socket.once('error', (error) => {
      clearTimeout(timer)
      callback(error, null)
    })
  }
  const client = new Client('https://sidekick', {
    connect: connector,
    pipelining: 1,
    keepAliveTimeout: KEEP_ALIVE_MS,
    keepAliveMaxTimeout: KEEP_ALIVE_MS,
    bodyTimeout: 60_000,
    headersTimeout: 60_000,
  })
  return { client, fingerprint: () => expected }
}

const fingerprintOf = (socket: TLSSocket): string => {
  const certificate: DetailedPeerCertificate = socket.getPeerCertificate(true)
  return createHash('sha256').update(certificate.raw).digest('hex')
}
