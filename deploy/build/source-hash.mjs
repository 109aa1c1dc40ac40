import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'

const SOURCES = [
  'workflows',
  'activities',
  'records',
  'auth',
  'config',
  'temporal',
  'api',
  'gateway',
  'sidekick',
  'cli',
  'sdk',
  'web',
  'deploy',
  'bench',
  'package-lock.json',
  'tsconfig.json',
]

/** SHA-256 over every source file's path and content; tests and pages of text do not count. */
export const sourceHash = async (root) => {
  const hash = createHash('sha256')
  for (const source of SOURCES)
    for (const file of await filesOf(path.join(root, source))) {
      hash.update(`${path.relative(root, file)}\0`)
      hash.update(await readFile(file))
      hash.update('\0')
    }
  return hash.digest('hex')
}

const filesOf = async (start) => {
  let entries
  try {
    entries = await readdir(start, { withFileTypes: true, recursive: true })
  } catch (error) {
    if (error.code === 'ENOTDIR') return [start]
    if (error.code === 'ENOENT') return []
    throw error
  }
  return entries
    .filter((entry) => entry.isFile() && !/\.test\.tsx?$|\.md$/.test(entry.name))
    .map((entry) => path.join(entry.parentPath, entry.name))
    .filter((file) => !file.includes(`${path.sep}node_modules${path.sep}`))
    .sort()
}
