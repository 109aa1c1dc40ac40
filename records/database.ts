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
  pool.on('connect', (client) => {
    client.on('error', () => {})
    prepareWhatSaysSo(client)
  })
  return new Kysely<Database>({ dialect: new PostgresDialect({ pool }) })
}

/**
 * A statement that begins so is planned once per connection, under that name: for what every request
 * asks. Only with named result columns: one with `*` would fail where a migration adds a column.
 */
const PREPARED = /^\s*\/\* prepared: ([a-z-]+) \*\//

const prepareWhatSaysSo = (client: pg.PoolClient): void => {
  const query = client.query.bind(client) as (...args: unknown[]) => unknown
  client.query = ((...args: unknown[]) => {
    const [text, values] = args
    const name = typeof text === 'string' ? PREPARED.exec(text)?.[1] : undefined
    return name === undefined ? query(...args) : query({ name, text, values })
  }) as typeof client.query
}
