import { Kysely, PostgresDialect, type Transaction } from 'kysely'
import pg from 'pg'
import type { Database } from './schema.ts'

export type Db = Kysely<Database>
/** A transaction or the pool: what a query needs. */
export type Queryable = Kysely<Database> | Transaction<Database>

/** Opens a pool; nothing connects until the first query. Close with `db.destroy()`. */
export const openDatabase = (connectionString: string, maxConnections = 10): Db => {
  const pool = new pg.Pool({
    connectionString,
    max: maxConnections,
    connectionTimeoutMillis: 5_000,
  })
  // A connection cut by a database restart is replaced at the next query; unheard it would end the process,
  // whether it was idle (the pool's event) or in the middle of a transaction, between two queries (its own).
  pool.on('error', () => {})
  pool.on('connect', (client) => client.on('error', () => {}))
  return new Kysely<Database>({ dialect: new PostgresDialect({ pool }) })
}
