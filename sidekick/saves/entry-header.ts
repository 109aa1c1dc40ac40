/**
 * One entry as a tar header and back. Plain POSIX pax, so that `zstd -d | tar -x` reads it; two
 * things pax cannot say stand in records of our own:
 *   DORMOUSE.path, DORMOUSE.linkpath  base64 of names that are not UTF-8
 * Sparse files use GNU's format 1.0, attributes libarchive's `LIBARCHIVE.xattr.<name>` = base64.
 */
import type { Header, Pack } from 'tar-stream'
import { Failure } from '../errors.ts'
import { ENTRY_TYPES, type EntryType, type TreeEntry } from './tree-entry.ts'
import { checkedTreePath, displayOf, fromBytes, fromText, textOf } from './tree-path.ts'

const ATTRIBUTE = 'LIBARCHIVE.xattr.'
const NANOSECONDS = 1_000_000_000n
const LARGEST_HEADER_ID = 0o777777
const LARGEST_HEADER_SECONDS = 0x7fffffff

export interface OutgoingEntry extends Pick<
  TreeEntry,
  'path' | 'mode' | 'uid' | 'gid' | 'mtimeNs'
> {
  readonly type: EntryType | 'link'
  /** Bytes that follow in the stream. */
  readonly size: number
  /** Of symlinks the target, of links the path of the first name; a byte string. */
  readonly target?: string | undefined
  /** Of sparse files: the length with its holes. */
  readonly realSize?: number | undefined
  readonly attributes?: ReadonlyMap<string, Buffer> | null
}

export const headerOf = (entry: OutgoingEntry): Parameters<Pack['entry']>[0] => {
  const seconds = Number(entry.mtimeNs / NANOSECONDS)
  const pax: Record<string, string> = { mtime: decimalSeconds(entry.mtimeNs) }
  const name = textOf(entry.path)
  const target = entry.target === undefined ? undefined : textOf(entry.target)
  if (name === null) pax['DORMOUSE.path'] = base64(entry.path)
  if (target === null && entry.target !== undefined) pax['DORMOUSE.linkpath'] = base64(entry.target)
  if (entry.uid > LARGEST_HEADER_ID) pax['uid'] = String(entry.uid)
  if (entry.gid > LARGEST_HEADER_ID) pax['gid'] = String(entry.gid)
  if (entry.realSize !== undefined) {
    pax['GNU.sparse.major'] = '1'
    pax['GNU.sparse.minor'] = '0'
    pax['GNU.sparse.name'] = name ?? displayOf(entry.path)
    pax['GNU.sparse.realsize'] = String(entry.realSize)
  }
  for (const [attribute, value] of entry.attributes ?? [])
    pax[ATTRIBUTE + encodeURIComponent(attribute)] = value.toString('base64')
  return {
    name: name ?? displayOf(entry.path),
    type: entry.type,
    // With a bit the format masks off: the library takes a bare 0 for "none given".
    mode: entry.mode | 0o100000,
    size: entry.size,
    uid: Math.min(entry.uid, LARGEST_HEADER_ID),
    gid: Math.min(entry.gid, LARGEST_HEADER_ID),
    mtime: new Date(Math.min(Math.max(seconds, 0), LARGEST_HEADER_SECONDS) * 1000),
    ...(entry.target !== undefined && { linkname: target ?? displayOf(entry.target) }),
    pax,
  }
}

export interface IncomingEntry extends OutgoingEntry {
  readonly attributes: ReadonlyMap<string, Buffer>
}

/** The reverse, of bytes that may be hostile. Errors: invalid, naming the entry. */
export const entryOfHeader = (header: Header): IncomingEntry => {
  const pax = (header.pax ?? {}) as Readonly<Record<string, string>>
  const refuse = (why: string): never => {
    throw new Failure('invalid', `The archive is refused: ${JSON.stringify(header.name)} ${why}.`)
  }
  const type = header.type as string
  if (!(ENTRY_TYPES as readonly string[]).includes(type) && type !== 'link')
    return refuse(`is of type ${type}`)
  const path = checkedTreePath(bytesIn(pax['DORMOUSE.path'], header.name))
  if (path === null) return refuse('does not lie in a tree')
  const named = pax['DORMOUSE.linkpath'] ?? header.linkname ?? undefined
  const target = named === undefined ? undefined : bytesIn(pax['DORMOUSE.linkpath'], named)
  const size = header.size ?? 0
  const announced = pax['size'] ?? String(size)
  if (!Number.isSafeInteger(size) || size < 0 || announced !== String(size))
    return refuse('has an impossible size')
  if (type === 'symlink' && (!target || target.includes('\0'))) return refuse('has no target')
  const linked = type === 'link' ? checkedTreePath(target ?? '') : undefined
  if (linked === null) return refuse('links to what does not lie in a tree')
  return {
    path,
    type: type as OutgoingEntry['type'],
    mode: (header.mode ?? 0) & 0o7777,
    uid: idIn(pax['uid'], header.uid),
    gid: idIn(pax['gid'], header.gid),
    size,
    mtimeNs: nanosecondsIn(pax['mtime'], header.mtime) ?? refuse('has an impossible mtime'),
    target: linked ?? target,
    realSize: pax['GNU.sparse.major'] === '1' ? realSizeIn(pax, refuse) : undefined,
    attributes: attributesIn(pax),
  }
}

const base64 = (path: string): string => Buffer.from(path, 'latin1').toString('base64')

const bytesIn = (encoded: string | undefined, plain: string): string =>
  encoded === undefined ? fromText(plain) : fromBytes(Buffer.from(encoded, 'base64'))

const idIn = (record: string | undefined, field: number | undefined): number => {
  const id = record === undefined ? (field ?? 0) : Number(record)
  return Number.isInteger(id) && id >= 0 && id <= 0xffffffff ? id : 0
}

const realSizeIn = (
  pax: Readonly<Record<string, string>>,
  refuse: (why: string) => never,
): number => {
  const size = Number(pax['GNU.sparse.realsize'])
  return Number.isSafeInteger(size) && size >= 0 ? size : refuse('has an impossible sparse size')
}

const attributesIn = (pax: Readonly<Record<string, string>>): ReadonlyMap<string, Buffer> => {
  const attributes = new Map<string, Buffer>()
  for (const [key, value] of Object.entries(pax)) {
    if (!key.startsWith(ATTRIBUTE)) continue
    const name = decodedName(key.slice(ATTRIBUTE.length))
    // Nothing but what users may set: an archive must not hand out capabilities or labels.
    if (name?.startsWith('user.') && !name.includes('\0'))
      attributes.set(name, Buffer.from(value, 'base64'))
  }
  return attributes
}

const decodedName = (encoded: string): string | null => {
  try {
    return decodeURIComponent(encoded)
  } catch {
    return null
  }
}

const decimalSeconds = (ns: bigint): string => {
  const absolute = ns < 0n ? -ns : ns
  const fraction = (absolute % NANOSECONDS).toString().padStart(9, '0')
  return `${ns < 0n ? '-' : ''}${absolute / NANOSECONDS}.${fraction}`
}

const nanosecondsIn = (record: string | undefined, field: Date | undefined): bigint | null => {
  if (record === undefined) return BigInt(field?.getTime() ?? 0) * 1_000_000n
  const match = /^(-?)(\d{1,18})(?:\.(\d{1,18}))?$/.exec(record)
  if (!match) return null
  const whole = BigInt(match[2] ?? 0) * NANOSECONDS
  const fraction = BigInt((match[3] ?? '').padEnd(9, '0').slice(0, 9))
  return (match[1] === '-' ? -1n : 1n) * (whole + fraction)
}
