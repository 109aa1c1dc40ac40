import { oneOf, type Env } from './variables.ts'

/**
 * What a connection to Temporal needs beside the address. The names are those that Temporal's own tools
 * read; any of them switches TLS on. PEM texts, or the same in base64.
 */
export const temporalAccess = (env: Env) => {
  const apiKey = env['TEMPORAL_API_KEY'] || undefined
  const authority = pem(env, 'TEMPORAL_TLS_SERVER_CA_CERT_DATA')
  const crt = pem(env, 'TEMPORAL_TLS_CLIENT_CERT_DATA')
  const key = pem(env, 'TEMPORAL_TLS_CLIENT_KEY_DATA')
  const name = env['TEMPORAL_TLS_SERVER_NAME'] || undefined
  if ((crt === undefined) !== (key === undefined))
    throw new Error(
      'TEMPORAL_TLS_CLIENT_CERT_DATA and TEMPORAL_TLS_CLIENT_KEY_DATA belong together: one is not set',
    )
  const tls = {
    ...(authority === undefined ? {} : { serverRootCACertificate: authority }),
    ...(crt === undefined || key === undefined ? {} : { clientCertPair: { crt, key } }),
    ...(name === undefined ? {} : { serverNameOverride: name }),
  }
  const isOn =
    oneOf(env, 'TEMPORAL_TLS', ['false', 'true']) === 'true' ||
    apiKey !== undefined ||
    Object.keys(tls).length > 0
  return { ...(isOn ? { tls } : {}), ...(apiKey === undefined ? {} : { apiKey }) }
}

const BEGIN = '-----BEGIN'

const pem = (env: Env, name: string): Buffer | undefined => {
  const text = env[name]
  if (!text) return undefined
  const bytes = Buffer.from(text, text.includes(BEGIN) ? 'utf8' : 'base64')
  if (!bytes.includes(BEGIN))
    throw new Error(`${name} must be a PEM text, or one in base64; a path is neither`)
  return bytes
}
