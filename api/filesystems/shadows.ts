import type { Readable } from 'node:stream'
import type { Header } from 'tar-stream'

/** First entry of a delta: the paths it removes; sidekick/saves/removed-list.ts writes it. */
export const REMOVED_LIST = '.dormouse/delta.json'

/**
 * Which entries of a part later parts hide. Paths are byte strings (latin1), as names need not be
 * UTF-8.
 */
export const createShadows = () => {
  const written = new Map<string, number>()
  /** Removed, or no folder any more: hides also what was below it. */
  const cut = new Map<string, number>()
  return {
    remove(paths: readonly string[], part: number): void {
      for (const path of paths) cut.set(path, part)
    },
    write(path: string, isFolder: boolean, part: number): void {
      written.set(path, part)
      if (!isFolder) cut.set(path, part)
    },
    hides(path: string, part: number): boolean {
      if ((written.get(path) ?? -1) > part) return true
      for (let end = path.length; end > 0; end = path.lastIndexOf('/', end - 1))
        if ((cut.get(path.slice(0, end)) ?? -1) > part) return true
      return false
    },
  }
}

/** The library types these records as an empty object. */
export const paxOf = (header: Header): Readonly<Record<string, string>> =>
  (header.pax ?? {}) as Readonly<Record<string, string>>

export const treePath = (header: Header): string => {
  const encoded = paxOf(header)['DORMOUSE.path']
  const path =
    encoded === undefined
      ? Buffer.from(header.name, 'utf8').toString('latin1')
      : Buffer.from(encoded, 'base64').toString('latin1')
  return path.endsWith('/') ? path.slice(0, -1) : path
}

export const readRemovals = async (entry: Readable): Promise<string[]> => {
  const chunks: Buffer[] = []
  for await (const chunk of entry) chunks.push(chunk as Buffer)
  const list = JSON.parse(Buffer.concat(chunks).toString('utf8')) as {
    removed: readonly (string | { base64: string })[]
  }
  return list.removed.map((path) =>
    (typeof path === 'string'
      ? Buffer.from(path, 'utf8')
      : Buffer.from(path.base64, 'base64')
    ).toString('latin1'),
  )
}
