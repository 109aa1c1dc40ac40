/** The cluster's certificate authority and the two certificates it signs, made once. */
import { existsSync } from 'node:fs'
import { chmod, mkdir, rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { runTool } from '../local/run-tool.ts'
import { CONTROL_IP, FIRST_SERVICE_IP } from './places.ts'

const DAYS = '3650'
const API_SERVER_NAMES = [
  `IP:${CONTROL_IP}`,
  `IP:${FIRST_SERVICE_IP}`,
  'IP:127.0.0.1',
  'DNS:localhost',
  'DNS:kubernetes.default',
  'DNS:kubernetes.default.svc',
  'DNS:kubernetes.default.svc.cluster.local',
].join(',')

/** `<dir>/{ca,admin,apiserver}.{crt,key}` and the key pair that signs service accounts' tokens. */
export const makeCertificates = async (dir: string): Promise<void> => {
  if (existsSync(dir)) return
  // A folder that is there is whole: half a certificate authority would fail much later.
  const partial = `${dir}.partial-${process.pid}`
  await rm(partial, { recursive: true, force: true })
  await mkdir(partial, { recursive: true, mode: 0o700 })
  const openssl = (...args: readonly string[]): Promise<string> =>
    runTool('openssl', args, { cwd: partial })
  await openssl('genrsa', '-out', 'service-accounts.key', '2048')
  await openssl('rsa', '-in', 'service-accounts.key', '-pubout', '-out', 'service-accounts.pub')
  await openssl(
    ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', DAYS],
    ...['-keyout', 'ca.key', '-out', 'ca.crt', '-subj', '/CN=dormouse-cluster'],
  )
  const sign = async (name: string, subject: string, extensions: string): Promise<void> => {
    await openssl(
      ...['req', '-newkey', 'rsa:2048', '-nodes', '-subj', subject],
      ...['-keyout', `${name}.key`, '-out', `${name}.csr`],
    )
    await writeFile(path.join(partial, `${name}.ext`), extensions)
    await openssl(
      ...['x509', '-req', '-in', `${name}.csr`, '-days', DAYS, '-out', `${name}.crt`],
      ...['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-extfile', `${name}.ext`],
    )
  }
  await sign('admin', '/O=system:masters/CN=admin', 'extendedKeyUsage=clientAuth\n')
  await sign(
    'apiserver',
    '/CN=kube-apiserver',
    `extendedKeyUsage=serverAuth\nsubjectAltName=${API_SERVER_NAMES}\n`,
  )
  await chmod(partial, 0o700)
  await rename(partial, dir)
}
