import { readdir, readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import path from 'node:path'
import { Migrator, sql, type Kysely, type Migration, type MigrationProvider } from 'kysely'
import type { Db } from './database.ts'

/** Brings the schema up to date, in one job under kysely's advisory lock. Published files never change. */
export const migrate = async (db: Db): Promise<readonly string[]> => {
  const migrator = new Migrator({ db, provider: sqlFiles(migrationsDir()) })
  const { error, results } = await migrator.migrateToLatest()
  if (error !== undefined) throw error
  return (results ?? []).map((result) => result.migrationName)
}

const migrationsDir = (): string =>
  process.env['DORMOUSE_MIGRATIONS_DIR'] ??
  path.join(path.dirname(fileURLToPath(import.meta.url)), 'migrations')

const sqlFiles = (dir: string): MigrationProvider => ({
  async getMigrations() {
    const files = (await readdir(dir)).filter((file) => file.endsWith('.sql'))
    const entries = files.map(async (file): Promise<[string, Migration]> => {
      const text = await readFile(path.join(dir, file), 'utf8')
      return [file.slice(0, -4), { up: (db) => run(db, text) }]
    })
    return Object.fromEntries(await Promise.all(entries))
  },
})

/** A table that a dump or a long query holds is given up: behind the wait for it every other query would wait, too. */
const run = async (db: Kysely<unknown>, text: string): Promise<void> => {
  await sql`set local lock_timeout = '5s'`.execute(db)
  await sql.raw(text).execute(db)
}
