/** Postgres refuses to run as root: as root it gets an account of its own that can reach its files. */
import { cp, mkdir, stat, chmod } from 'node:fs/promises'
import path from 'node:path'
import { runTool } from '../run-tool.ts'
import { fillOnce } from '../cache.ts'
import { PartMissing, type Say } from './part.ts'

export interface PostgresBinaries {
  readonly postgres: string
  readonly initdb: string
}

export interface Account {
  readonly binaries: PostgresBinaries
  /** Set when the process has to change its user. */
  readonly ids?: { readonly uid: number; readonly gid: number }
}

const USER = 'postgres'

export const accountFor = async (options: {
  readonly dir: string
  readonly binaries: PostgresBinaries
  readonly say?: Say
}): Promise<Account> => {
  await mkdir(options.dir, { recursive: true })
  if (process.getuid?.() !== 0) {
    await chmod(options.dir, 0o700)
    return { binaries: options.binaries }
  }
  const ids = (await lookUp()) ?? (await create(options.say))
  // The account passes through here to its data; the data itself is 0700 and its own.
  await chmod(options.dir, 0o711)
  const closed = await firstClosed(options.dir)
  if (closed !== undefined)
    throw new PartMissing(
      'Postgres',
      `it does not run as root, and the account ${USER} cannot pass through ${closed} to its data`,
      `Set DORMOUSE_HOME to a folder outside ${closed}, or open that one for passing through: chmod o+x ${closed}`,
    )
  if ((await firstClosed(path.dirname(options.binaries.postgres))) === undefined)
    return { binaries: options.binaries, ids }
  return { binaries: await copyOf(options), ids }
}

const lookUp = async (): Promise<Account['ids'] | undefined> => {
  try {
    const [uid, gid] = await Promise.all([runTool('id', ['-u', USER]), runTool('id', ['-g', USER])])
    return { uid: Number(uid), gid: Number(gid) }
  } catch {
    return undefined
  }
}

const create = async (say?: Say): Promise<{ uid: number; gid: number }> => {
  say?.(`making the system account ${USER}, because Postgres does not run as root`)
  await runTool('useradd', ['--system', '--user-group', '--no-create-home', USER]).catch(
    (error: Error) => {
      throw new PartMissing(
        'Postgres',
        error.message,
        `Make an account ${USER}, or set DATABASE_URL.`,
      )
    },
  )
  const ids = await lookUp()
  if (ids === undefined) throw new Error(`the account ${USER} was made but is not found`)
  return ids
}

/** The first folder on the way to `dir` that others may not pass through. */
const firstClosed = async (dir: string): Promise<string | undefined> => {
  const parts = path.resolve(dir).split(path.sep).filter(Boolean)
  for (let depth = 1; depth <= parts.length; depth++) {
    const folder = path.sep + parts.slice(0, depth).join(path.sep)
    if (((await stat(folder)).mode & 0o001) === 0) return folder
  }
  return undefined
}

/** The binaries inside the data folder, for a checkout that only root can read. */
const copyOf = async (options: {
  readonly dir: string
  readonly binaries: PostgresBinaries
}): Promise<PostgresBinaries> => {
  const native = path.dirname(path.dirname(options.binaries.postgres))
  const version = (await runTool(options.binaries.postgres, ['--version'])).trim().split(' ').pop()
  const copy = path.join(options.dir, `binaries-${version}`)
  const binaries = {
    postgres: path.join(copy, 'native/bin/postgres'),
    initdb: path.join(copy, 'native/bin/initdb'),
  }
  const there = await stat(binaries.postgres).then(
    () => true,
    () => false,
  )
  if (!there)
    await fillOnce(copy, (partial) =>
      cp(native, path.join(partial, 'native'), { recursive: true, verbatimSymlinks: true }),
    )
  return binaries
}
