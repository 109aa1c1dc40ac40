/**
 * `.dormouse/delta.json`, the first entry of a delta: the paths to remove before anything is
 * written. JSON with one path a line, so that both ends stream it:
 *   {"version":1,"base":"<saveId>","removed":[
 *   "home/a",
 *   {"base64":"aG9tZS//"}
 *   ]}
 */
import { Failure } from '../errors.ts'
import { bytesOf, checkedTreePath, fromBytes, fromText, textOf } from './tree-path.ts'

const OPENING = /^\{"version":1,"base":("(?:[^"\\]|\\.)*"),"removed":\[$/
const CLOSING = ']}'
const LONGEST_LINE = 64 * 1024

export const openingLine = (baseSaveId: string): string =>
  `{"version":1,"base":${JSON.stringify(baseSaveId)},"removed":[\n`
export const closingLine = `${CLOSING}\n`

export const removedLine = (path: string, isFirst: boolean): string => {
  const text = textOf(path)
  const value = text ?? { base64: bytesOf(path).toString('base64') }
  // The comma stands in front, so that a line is whole without knowing the next.
  return `${isFirst ? '' : ','}${JSON.stringify(value)}\n`
}

/** Yields the removed paths, checked like any path of an archive. Errors: invalid. */
export async function* readRemovedList(
  content: AsyncIterable<Buffer>,
): AsyncGenerator<string, void, undefined> {
  let opened = false
  let closed = false
  for await (const line of lines(content)) {
    if (!opened) {
      if (!OPENING.test(line)) throw broken()
      opened = true
    } else if (line === CLOSING) closed = true
    else if (closed) throw broken()
    else yield pathIn(line)
  }
  if (!closed) throw broken()
}

async function* lines(content: AsyncIterable<Buffer>): AsyncGenerator<string, void, undefined> {
  let rest = Buffer.alloc(0)
  for await (const chunk of content) {
    const bytes = Buffer.concat([rest, chunk])
    let from = 0
    for (let end = bytes.indexOf(10, from); end >= 0; end = bytes.indexOf(10, from)) {
      yield bytes.toString('utf8', from, end)
      from = end + 1
    }
    rest = bytes.subarray(from)
    if (rest.length > LONGEST_LINE) throw broken()
  }
  if (rest.length > 0) throw broken()
}

const pathIn = (line: string): string => {
  let value: unknown
  try {
    value = JSON.parse(line.startsWith(',') ? line.slice(1) : line)
  } catch {
    throw broken()
  }
  const encoded = (value as { base64?: unknown } | null)?.base64
  const path =
    typeof value === 'string'
      ? fromText(value)
      : typeof encoded === 'string'
        ? fromBytes(Buffer.from(encoded, 'base64'))
        : ''
  const checked = checkedTreePath(path)
  if (checked === null) throw broken()
  return checked
}

const broken = (): Failure => new Failure('invalid', 'The archive has a broken list of removals.')
