import type { Stats } from 'node:fs'
import { lstat, readdir, readlink } from 'node:fs/promises'
import { basename, join } from 'node:path/posix'
import { errno, Failure } from '../errors.ts'
import type { FileEntry } from '../protocol.ts'
import { handlePath, type Place, type Trees } from './trees.ts'

const MOST_ENTRIES = 20_000
const AT_ONCE = 64
/** Uploads are written under this prefix until they are complete; no one is shown them. */
export const UPLOAD_PREFIX = '.dormouse-upload-'

/** One entry; a symbolic link is described itself. Errors: not_found and those of the walk. */
export const statEntry = (trees: Trees, path: string): Promise<FileEntry> =>
  trees.at(path, { last: 'nofollow' }, entryAt)

/** What is in a folder, by name. Errors: not_found, invalid (no folder), too_large. */
export const listEntries = (trees: Trees, path: string): Promise<readonly FileEntry[]> =>
  trees.at(path, { last: 'follow' }, async ({ node, stats }) => {
    if (!node) throw absent()
    if (!stats?.isDirectory())
      throw new Failure('invalid', 'The path is not a folder; ask for its stat or content.')
    const folder = handlePath(node)
    const names = (await readdir(folder)).filter((name) => !name.startsWith(UPLOAD_PREFIX)).sort()
    if (names.length > MOST_ENTRIES)
      throw new Failure('too_large', `Over ${MOST_ENTRIES} entries; use \`ls\` in a terminal.`)
    const entries: FileEntry[] = []
    for (let from = 0; from < names.length; from += AT_ONCE) {
      const some = names.slice(from, from + AT_ONCE)
      const found = await Promise.all(
        some.map((name) => entryOf(`${folder}/${name}`, join(path, name))),
      )
      entries.push(...found.filter((entry) => entry !== undefined))
    }
    return entries
  })

export const entryAt = async ({ path, at, stats }: Place): Promise<FileEntry> => {
  if (!stats) throw absent()
  return toEntry(path, stats, at)
}

export const absent = (): Failure => new Failure('not_found', 'No such file or folder.')

const entryOf = async (at: string, path: string): Promise<FileEntry | undefined> => {
  try {
    return await toEntry(path, await lstat(at), at)
  } catch (error) {
    if (errno(error) === 'ENOENT') return undefined // removed between the listing and the look
    throw error
  }
}

const toEntry = async (path: string, stats: Stats, at: string | undefined): Promise<FileEntry> => {
  const target =
    stats.isSymbolicLink() && at ? await readlink(at).catch(() => undefined) : undefined
  return {
    path,
    name: basename(path),
    type: typeOf(stats),
    sizeBytes: stats.size,
    mode: stats.mode & 0o7777,
    mtimeMs: Math.trunc(stats.mtimeMs),
    ...(target !== undefined && { target }),
  }
}

const typeOf = (stats: Stats): FileEntry['type'] => {
  if (stats.isFile()) return 'file'
  if (stats.isDirectory()) return 'directory'
  return stats.isSymbolicLink() ? 'symlink' : 'other'
}
