/** Where obtained binaries live, shared by every checkout and state directory of this user. */
import { constants } from 'node:fs'
import { access, mkdir, rename, rm, symlink } from 'node:fs/promises'
import { homedir } from 'node:os'
import path from 'node:path'

type Env = Readonly<Record<string, string | undefined>>

export const cacheDir = (env: Env = process.env): string =>
  path.join(env['XDG_CACHE_HOME'] || path.join(homedir(), '.cache'), 'dormouse')

/** Folder of links to every binary that was obtained; services get it as DORMOUSE_BIN. */
export const binDir = (env: Env = process.env): string => path.join(cacheDir(env), 'bin')

export const isExecutable = (file: string): Promise<boolean> =>
  access(file, constants.X_OK).then(
    () => true,
    () => false,
  )

export const onPath = async (name: string, env: Env = process.env): Promise<string | undefined> => {
  for (const dir of (env['PATH'] ?? '').split(path.delimiter)) {
    const file = path.join(dir, name)
    if (path.isAbsolute(dir) && (await isExecutable(file))) return file
  }
  return undefined
}

/**
 * Makes `dir` by filling a folder beside it and renaming that: a half-done download is never taken for
 * a whole one, and two starts at once do no harm.
 */
export const fillOnce = async (
  dir: string,
  fill: (partial: string) => Promise<void>,
): Promise<void> => {
  const partial = `${dir}.partial-${process.pid}`
  await rm(partial, { recursive: true, force: true })
  await mkdir(partial, { recursive: true })
  try {
    await fill(partial)
    await rename(partial, dir).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error
    })
  } finally {
    await rm(partial, { recursive: true, force: true })
  }
}

/** Links `binary` into binDir and answers it. */
export const linkBinary = async (name: string, binary: string): Promise<string> => {
  await mkdir(binDir(), { recursive: true })
  const link = path.join(binDir(), name)
  if (path.resolve(binary) === link) return binary
  const temporary = `${link}.${process.pid}`
  await rm(temporary, { force: true })
  await symlink(binary, temporary)
  await rename(temporary, link)
  return binary
}
