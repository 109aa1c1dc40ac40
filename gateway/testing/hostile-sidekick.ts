/** A TLS server in a sidekick's place that answers whatever bytes the suite says. */
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { TLSSocket, createSecureContext } from 'node:tls'
import { makeCertificate } from '../../sidekick/certificate.ts'
import type { Endpoint } from '../sidekick-dial.ts'

/** Called for each chunk that arrives: the connection, and the bare socket below its TLS. */
export type Behaviour = (connection: TLSSocket, bare: Socket) => void

export const startHostileSidekick = async () => {
  const certificate = makeCertificate()
  const secureContext = createSecureContext({ key: certificate.keyPem, cert: certificate.certPem })
  const dir = await mkdtemp(path.join(tmpdir(), 'dormouse-hostile-'))
  const socketPath = path.join(dir, 's')
  const sockets = new Set<Socket>()
  let behave: Behaviour = (connection) => connection.destroy()

  const server = createServer((bare) => {
    sockets.add(bare)
    bare.on('error', () => {})
    bare.on('close', () => sockets.delete(bare))
    const connection = new TLSSocket(bare, { isServer: true, secureContext })
    connection.on('error', () => {})
    connection.on('data', () => behave(connection, bare))
  })
  await new Promise<void>((resolve) => server.listen(socketPath, () => resolve()))
  const endpoint: Endpoint = {
    address: { kind: 'unix', path: socketPath },
    fingerprint: certificate.fingerprint,
  }
  return {
    endpoint,
    behave: (with_: Behaviour) => void (behave = with_),
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise<void>((resolve) => server.close(() => resolve()))
      await rm(dir, { recursive: true, force: true })
    },
  }
}

/** Says the text, and then what no TLS has: the other side's socket breaks with an error. */
export const sayAndBreak =
  (text: string): Behaviour =>
  (connection, bare) => {
    connection.pause()
    connection.write(text, 'latin1', () =>
      setTimeout(() => {
        bare.write('this is no TLS record')
        bare.destroySoon()
      }, 20),
    )
  }
