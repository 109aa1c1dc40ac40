const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'expect',
])
const FORWARDED_AUTHORIZATION = 'x-dormouse-forward-authorization'

/** Name and value pairs of Node's flat rawHeaders. */
const headerPairs = (raw: readonly string[]): readonly (readonly [string, string])[] =>
  Array.from({ length: raw.length / 2 }, (_, index) => [raw[2 * index]!, raw[2 * index + 1]!])

/**
 * What the user's server may see of a request: no hop-by-hop header, not our ticket; the caller's
 * own Authorization, which the gateway put aside, is back in its place.
 */
export const requestHeaders = (raw: readonly string[]): string[] =>
  withoutHops(raw).flatMap(([name, value]) => {
    const lower = name.toLowerCase()
    if (lower === 'authorization') return []
    return lower === FORWARDED_AUTHORIZATION ? ['Authorization', value] : [name, value]
  })

export const responseHeaders = (raw: readonly string[]): string[] => withoutHops(raw).flat()

const withoutHops = (raw: readonly string[]): readonly (readonly [string, string])[] => {
  const pairs = headerPairs(raw)
  const named = pairs
    .filter(([name]) => name.toLowerCase() === 'connection')
    .flatMap(([, value]) => value.split(',').map((token) => token.trim().toLowerCase()))
  return pairs.filter(([name]) => {
    const lower = name.toLowerCase()
    return !HOP_BY_HOP.has(lower) && !named.includes(lower)
  })
}
