/**
 * `.dormouse/delta.json`, the first entry of a delta: the paths to remove before anything is
 * written. JSON with one path a line, so that both ends stream it:
 *   {"version":1,"base":"<saveId>","removed":[
 *   "home/a"
 *   ,{"base64":"aG9tZS//"}
 *   ]}
 */
import { bytesOf, fromBytes, fromText, textOf } from './saves/tree-path.ts'

const OPENING = /^\{"version":1,"base":("(?:[^"\\]|\\.)*"),"removed":\[$/
const CLOSING = ']}'
const LONGEST_LINE_BYTES = 64 * 1024

export const openingLine = (baseSaveId: string): string =>
  `{"version":1,"base":${JSON.stringify(baseSaveId)},"removed":[\n`
export const closingLine = `${CLOSING}\n`

export const removedLine = (path: string, isFirst: boolean): string => {
  const text = textOf(path)
  const value = text ?? { base64: bytesOf(path).toString('base64') }
  // The comma stands in front, so that a line is whole without knowing the next.
  return `${isFirst ? '' : ','}${JSON.stringify(value)}\n`
}

/**
 * The paths of the list, one at a time, as byte strings (latin1), and as hostile as the archive is.
 * Errors: `broken()`, and those of `content`.
 */
export async function* readRemovals(
  content: AsyncIterable<Buffer>,
  broken: () => Error,
): AsyncGenerator<string, void, undefined> {
  let place: 'before' | 'in' | 'behind' = 'before'
  for await (const line of lines(content, broken))
    if (place === 'before' && OPENING.test(line)) place = 'in'
    else if (place === 'in' && line === CLOSING) place = 'behind'
    else if (place === 'in') {
      const path = pathIn(line)
      if (path === undefined) throw broken()
      yield path
    } else throw broken()
  if (place !== 'behind') throw broken()
}

async function* lines(
  content: AsyncIterable<Buffer>,
  broken: () => Error,
): AsyncGenerator<string, void, undefined> {
  let rest = Buffer.alloc(0)
  for await (const chunk of content) {
    const bytes = Buffer.concat([rest, chunk])
    let from = 0
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, from)) {
      yield bytes.toString('utf8', from, end)
      from = end + 1
    }
    rest = bytes.subarray(from)
    if (rest.length > LONGEST_LINE_BYTES) throw broken()
  }
  if (rest.length > 0) throw broken()
}

const pathIn = (line: string): string | undefined => {
  const value = parsed(line.startsWith(',') ? line.slice(1) : line)
  if (typeof value === 'string') return fromText(value)
  const encoded = (value as { base64?: unknown } | null | undefined)?.base64
  return typeof encoded === 'string' ? fromBytes(Buffer.from(encoded, 'base64')) : undefined
}

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
