import { createHash, randomBytes } from 'node:crypto'
import { cp, link, mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import path from 'node:path'

/**
 * The sidekick's folder as sandboxes see it: a copy named after its content. A sandbox outlives builds
 * and upgrades, and what it was started with must stay whole for as long as it runs.
 */
export const installSidekick = async (stateDir: string, sidekickDir: string): Promise<string> => {
  const files = await filesBelow(sidekickDir)
  const installed = path.join(stateDir, 'sidekicks', await fingerprint(sidekickDir, files))
  if (await exists(installed)) return installed
  const partial = `${installed}.${randomBytes(4).toString('hex')}`
  for (const file of files) {
    const to = path.join(partial, file)
    await mkdir(path.dirname(to), { recursive: true, mode: 0o755 })
    await linkOrCopy(path.join(sidekickDir, file), to)
  }
  try {
    await rename(partial, installed)
  } catch (error) {
    await rm(partial, { recursive: true, force: true })
    // Another worker was first with the same content.
    if (!(await exists(installed))) throw error
  }
  return installed
}

const fingerprint = async (dir: string, files: readonly string[]): Promise<string> => {
  const hash = createHash('sha256')
  for (const file of files) {
    const name = path.join(dir, file)
    const { size, mtimeMs } = await stat(name)
    hash.update(`${file}\0${size}\0`)
    // Node itself is too large to read at every start of a worker.
    hash.update(size > LARGE_BYTES ? String(mtimeMs) : await readFile(name))
  }
  return hash.digest('hex').slice(0, 16)
}

const LARGE_BYTES = 16 * 1024 * 1024

const filesBelow = async (dir: string): Promise<string[]> => {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(dir, path.join(entry.parentPath, entry.name)))
    .sort()
}

/** A build replaces its files by new ones, so a link keeps the old content. */
const linkOrCopy = (from: string, to: string): Promise<void> =>
  link(from, to).catch(() => cp(from, to))

const exists = (name: string): Promise<boolean> =>
  stat(name).then(
    () => true,
    () => false,
  )
