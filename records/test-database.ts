import pg from 'pg'
import { openDatabase, type Db } from './database.ts'
import { newId } from './ids.ts'
import { migrate } from './migrate.ts'

/** For suites: a database of their own on the server of DATABASE_URL, migrated; `drop` removes it. */
export const freshDatabase = async (): Promise<{
  db: Db
  url: string
  drop(): Promise<void>
}> => {
  const server = process.env['DATABASE_URL']
  if (server === undefined) throw new Error('DATABASE_URL is not set: e2e suites need a Postgres')
  const name = `suite_${newId()}`
  await onServer(server, `create database ${name}`)
  const url = new URL(server)
  url.pathname = `/${name}`
  const db = openDatabase(url.href)
  await migrate(db)
  return {
    db,
    url: url.href,
    async drop() {
      await db.destroy()
      await onServer(server, `drop database ${name} with (force)`)
    },
  }
}

const onServer = async (connectionString: string, statement: string): Promise<void> => {
  const client = new pg.Client({ connectionString })
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}
