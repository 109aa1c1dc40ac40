import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { connect, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createServer, type Server } from 'node:tls'
import { NativeConnection } from '@temporalio/worker'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { runTool } from '../deploy/local/run-tool.ts'
import { temporalConfig } from '../config/config.ts'
import { connectClient } from './connection.ts'

let dir: string
let door: Server
let address: string
/** One self-signed certificate is authority, server and client. */
let crt: string
let key: string

/** Temporal behind a door that takes TLS alone, from those alone who show the certificate. */
beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'dormouse-tls-'))
  await runTool('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'],
    ...['-days', '2', '-subj', '/CN=temporal.test', '-addext', 'subjectAltName=DNS:temporal.test'],
    // Rust's TLS takes no authority for a server.
    ...['-addext', 'basicConstraints=critical,CA:FALSE'],
    ...['-keyout', path.join(dir, 'key.pem'), '-out', path.join(dir, 'crt.pem')],
  ])
  crt = await readFile(path.join(dir, 'crt.pem'), 'utf8')
  key = await readFile(path.join(dir, 'key.pem'), 'utf8')
  const [host = '', port = ''] = (process.env['TEMPORAL_ADDRESS'] ?? '').split(':')
  const tls = { key, cert: crt, ca: crt, requestCert: true, ALPNProtocols: ['h2'] }
  door = createServer(tls, (socket) => {
    const behind = connect(Number(port), host)
    socket.pipe(behind).pipe(socket)
    for (const end of [socket, behind]) end.on('error', () => end.destroy())
  })
  await new Promise<void>((resolve) => door.listen(0, '127.0.0.1', resolve))
  address = `127.0.0.1:${(door.address() as AddressInfo).port}`
})
afterAll(async () => {
  door.close()
  await rm(dir, { recursive: true, force: true })
})

const entered = (more: Readonly<Record<string, string>>) => ({
  TEMPORAL_ADDRESS: address,
  TEMPORAL_TLS_SERVER_CA_CERT_DATA: crt,
  TEMPORAL_TLS_SERVER_NAME: 'temporal.test',
  ...more,
})
const known = () =>
  entered({
    TEMPORAL_TLS_CLIENT_CERT_DATA: crt,
    TEMPORAL_TLS_CLIENT_KEY_DATA: Buffer.from(key).toString('base64'),
  })

it('is reached by TLS, with the certificate that it knows us by', async () => {
  const { client, close } = await connectClient(known())
  expect((await client.workflowService.getSystemInfo({})).serverVersion).toBeTruthy()
  await close()
})

it('is reached so by workers, too', async () => {
  const { access } = temporalConfig(known())
  const connection = await NativeConnection.connect({ address, ...access })
  expect((await connection.workflowService.getSystemInfo({})).serverVersion).toBeTruthy()
  await connection.close()
})

it('refuses who shows none', async () => {
  const { access } = temporalConfig(entered({}))
  await expect(NativeConnection.connect({ address, ...access })).rejects.toThrow()
})

it('is asked by TLS where there is a key for it, and not where there is nothing', () => {
  expect(temporalConfig({ TEMPORAL_API_KEY: 'key' }).access).toEqual({ apiKey: 'key', tls: {} })
  expect(temporalConfig({ TEMPORAL_TLS: 'true' }).access).toEqual({ tls: {} })
  expect(temporalConfig({ TEMPORAL_API_KEY: '' }).access).toEqual({})
  expect(() =>
    temporalConfig({ TEMPORAL_TLS_SERVER_CA_CERT_DATA: '/etc/ssl/temporal.pem' }),
  ).toThrow('TEMPORAL_TLS_SERVER_CA_CERT_DATA must be a PEM text')
  expect(() => temporalConfig({ TEMPORAL_TLS_CLIENT_CERT_DATA: crt })).toThrow(
    'TEMPORAL_TLS_CLIENT_KEY_DATA',
  )
})
