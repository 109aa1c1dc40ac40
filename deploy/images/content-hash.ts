import { createHash } from 'node:crypto'
import { readdir, readFile, stat } from 'node:fs/promises'
import path from 'node:path'

const SHOWN = 12

/** A short name for what an image is made of: the same parts in any order, the same name. */
export const contentHash = (parts: Readonly<Record<string, string>>): string => {
  const hash = createHash('sha256')
  for (const name of Object.keys(parts).sort())
    hash.update(JSON.stringify([name, parts[name]])).update('\n')
  return hash.digest('hex').slice(0, SHOWN)
}

/** Over the relative paths, contents and executable bits of a folder's files. */
export const folderHash = async (
  folder: string,
  wanted: (file: string) => boolean,
): Promise<string> => {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const parts: Record<string, string> = {}
  for (const entry of entries.filter((found) => found.isFile())) {
    const file = path.join(entry.parentPath, entry.name)
    const name = path.relative(folder, file)
    if (!wanted(name)) continue
    const digest = createHash('sha256')
      .update(await readFile(file))
      .digest('hex')
    parts[name] = `${(await stat(file)).mode & 0o111} ${digest}`
  }
  return contentHash(parts)
}
