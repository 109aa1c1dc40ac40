import { constants } from 'node:fs'
import { mkdir, open, readdir, rename, rmdir, unlink } from 'node:fs/promises'
import { errno, Failure } from '../errors.ts'
import { absent } from './entries.ts'
import { handlePath, type Place, type Trees } from './trees.ts'

/** Makes a folder and those above it; one that is there already is fine. Errors: exists (a file). */
export const makeFolder = (trees: Trees, path: string): Promise<void> =>
  trees.at(path, { last: 'follow', parents: true }, async ({ at, stats }) => {
    if (stats?.isDirectory()) return
    if (stats || !at) throw new Failure('exists', 'A file of that name is already there.')
    await mkdir(at).catch((error) => {
      if (errno(error) !== 'EEXIST') throw error
    })
  })

/** Renames within one tree. Errors: not_found, exists, invalid (another tree, or into itself). */
export const move = (
  trees: Trees,
  from: string,
  to: string,
  options: { readonly overwrite: boolean },
): Promise<void> =>
  trees.at(from, { last: 'nofollow' }, (source) =>
    trees.at(to, { last: 'nofollow', parents: true }, async (target) => {
      if (!source.stats) throw absent()
      if (target.stats && !options.overwrite)
        throw new Failure('exists', 'Something of that name is there; pass overwrite: true.')
      await rename(named(source), named(target)).catch((error) => {
        if (errno(error) === 'EXDEV')
          throw new Failure('invalid', 'A move cannot cross trees; copy the file and remove it.')
        if (errno(error) === 'EINVAL')
          throw new Failure('invalid', 'A folder cannot be moved into itself.')
        throw error
      })
    }),
  )

/** Removes a file, a link itself, an empty folder, or with `recursive` a folder and all in it. */
export const remove = (
  trees: Trees,
  path: string,
  options: { readonly recursive: boolean },
): Promise<void> =>
  trees.at(path, { last: 'nofollow' }, async (place) => {
    if (!place.stats) throw absent()
    const at = named(place)
    if (!place.stats.isDirectory()) return unlink(at)
    if (options.recursive) await empty(at)
    await rmdir(at)
  })

const named = ({ at }: Place): string => {
  if (at) return at
  throw new Failure('forbidden', 'The tree itself stays; name something in it.')
}

/** Every level is opened without following links, so a folder swapped for a link is never entered. */
const empty = async (at: string): Promise<void> => {
  const folder = await open(at, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW)
  try {
    const base = handlePath(folder)
    for (const entry of await readdir(base, { withFileTypes: true })) {
      const inner = `${base}/${entry.name}`
      if (entry.isDirectory()) {
        await empty(inner)
        await rmdir(inner)
      } else await unlink(inner)
    }
  } finally {
    await folder.close()
  }
}
