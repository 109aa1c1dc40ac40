import { createReadStream } from 'node:fs'
import { lstat, readdir, readlink } from 'node:fs/promises'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import { pack, type Pack } from 'tar-stream'
import { tell } from '../output.ts'

/** A local folder as a tar stream: files, folders and links, with modes and times. */
export const packFolder = (root: string): Pack => {
  const archive = pack()
  addFolder(archive, root, '.').then(
    () => archive.finalize(),
    (error: Error) => archive.destroy(error),
  )
  return archive
}

const addFolder = async (archive: Pack, root: string, name: string): Promise<void> => {
  const folder = path.join(root, name)
  const { mode, mtime } = await lstat(folder)
  await add(archive, { name: `${name}/`, type: 'directory', mode: mode & 0o777, mtime })
  const entries = await readdir(folder, { withFileTypes: true })
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const inside = `${name}/${entry.name}`
    if (entry.isDirectory()) await addFolder(archive, root, inside)
    else if (entry.isSymbolicLink()) await addLink(archive, root, inside)
    else if (entry.isFile()) await addFile(archive, root, inside)
    else tell(`Left out ${inside}: neither a file, a folder nor a link.`)
  }
}

const addLink = async (archive: Pack, root: string, name: string): Promise<void> => {
  const linkname = await readlink(path.join(root, name))
  await add(archive, { name, type: 'symlink', linkname })
}

const addFile = async (archive: Pack, root: string, name: string): Promise<void> => {
  const file = path.join(root, name)
  const { mode, mtime, size } = await lstat(file)
  const header = { name, type: 'file', mode: mode & 0o777, mtime, size } as const
  if (size === 0) return void archive.entry(header, '')
  const entry = archive.entry(header)
  // A file that grows meanwhile is cut where it stood; one that shrinks is an error of the archive.
  await pipeline(createReadStream(file, { end: size - 1 }), entry)
}

const add = (archive: Pack, header: Parameters<Pack['entry']>[0]): Promise<void> =>
  new Promise((resolve, reject) => {
    archive.entry(header, (error) => (error ? reject(error) : resolve()))
  })
