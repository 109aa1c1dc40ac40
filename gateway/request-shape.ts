import type { IncomingMessage } from 'node:http'
import { Refusal } from './refusal.ts'

const MAX_HEADERS = 200

export interface RequestShape {
  /** As it came, one and only one. */
  readonly host: string
  /** Origin-form target: path and query, byte for byte. */
  readonly target: string
}

/**
 * The forms in which two servers could read one request differently are refused before anything is
 * decided from it (request smuggling; OWASP ASVS 4.2). Node's strict parser stands before this.
 */
export const requestShape = (request: IncomingMessage): RequestShape => {
  const { rawHeaders } = request
  if (rawHeaders.length / 2 > MAX_HEADERS)
    throw new Refusal('HeadersTooLarge', `At most ${MAX_HEADERS} header lines are taken.`)
  const hosts = valuesOf(rawHeaders, 'host')
  const [host] = hosts
  if (host === undefined || hosts.length > 1) throw bad('There must be exactly one Host header.')
  const lengths = valuesOf(rawHeaders, 'content-length')
  const codings = valuesOf(rawHeaders, 'transfer-encoding')
  if (lengths.length > 1 || codings.length > 1 || (lengths.length > 0 && codings.length > 0))
    throw bad('The length of the body is given twice.')
  if (codings.some((coding) => coding.toLowerCase() !== 'chunked'))
    throw bad('The only transfer coding taken is chunked.')
  const named = connectionNames(rawHeaders)
  if (
    ['host', 'content-length', 'transfer-encoding', 'cookie', 'origin'].some((name) =>
      named.has(name),
    )
  )
    throw bad('The Connection header names a header that is not hop-by-hop.')
  return { host, target: originForm(request.url ?? '', host) }
}

/** Lower-case names listed in Connection: headers that end at this hop. */
export const connectionNames = (rawHeaders: readonly string[]): ReadonlySet<string> =>
  new Set(
    valuesOf(rawHeaders, 'connection')
      .flatMap((value) => value.split(','))
      .map((name) => name.trim().toLowerCase())
      .filter((name) => name !== ''),
  )

export const valuesOf = (rawHeaders: readonly string[], name: string): string[] => {
  const values: string[] = []
  for (let index = 0; index < rawHeaders.length; index += 2)
    if (rawHeaders[index]?.toLowerCase() === name) values.push(rawHeaders[index + 1] ?? '')
  return values
}

const originForm = (url: string, host: string): string => {
  const [, authority, rest = ''] = /^https?:\/\/([^/?#\\]*)(.*)$/i.exec(url) ?? []
  if (authority !== undefined && authority.toLowerCase() !== host.toLowerCase())
    throw bad('The request line names another host than the Host header.')
  const target = authority === undefined ? url : rest.startsWith('/') ? rest : `/${rest}`
  if (!target.startsWith('/') || !/^[\x21-\x7e]+$/.test(target) || target.includes('#'))
    throw bad('The request target must be a path.')
  const path = target.split('?', 1)[0] ?? ''
  // A sidekick or an app that resolves `..` must never be led out of the prefix that was authorised.
  if (path.includes('\\') || path.split('/').some((segment) => DOTS.test(segment)))
    throw bad('The path has a dot segment.')
  return target
}

const DOTS = /^(\.|%2e){1,2}$/i

const bad = (message: string): Refusal => new Refusal('BadRequest', message)
