import { collectDefaultMetrics, Registry } from 'prom-client'
import { createS3Store } from '../activities/adapters/s3/store.ts'
import { createAuthenticator } from '../auth/authenticate.ts'
import { loadSigningKeys } from '../auth/keys.ts'
import { createSealer } from '../auth/seal.ts'
import { createUser } from '../auth/users.ts'
import {
  apiConfig,
  databaseUrl,
  firstUser,
  keyConfig,
  migratesAtStart,
  runtimeName,
  storeConfig,
  timings,
} from '../config/config.ts'
import { openDatabase, type Db } from '../records/database.ts'
import { onceDatabaseAnswers } from '../records/database-away.ts'
import { openEventBell } from '../records/event-bell.ts'
import { migrate } from '../records/migrate.ts'
import { readWalls } from '../records/walls.ts'
import { lazyClient } from '../temporal/connection.ts'
import { computeDoors } from '../temporal/doors.ts'
import { buildApp } from './app.ts'
import { loggerOptions } from './logging.ts'

/** A drain that takes longer than this is cut. */
const CLOSE_WITHIN_MS = 10_000
const CONNECTIONS = 20

const main = async (env: NodeJS.ProcessEnv): Promise<void> => {
  const config = apiConfig(env)
  const keys = keyConfig(env)
  const signingKeys = loadSigningKeys(keys.signingKey)
  const db = openDatabase(databaseUrl(env), CONNECTIONS)
  await onceDatabaseAnswers(async () => {
    if (migratesAtStart(env)) await migrate(db)
    await createFirstUser(db, firstUser(env))
  })

  const temporal = lazyClient(env)
  const store = createS3Store(storeConfig(env))
  const bell = openEventBell(databaseUrl(env))
  const metrics = new Registry()
  collectDefaultMetrics({ register: metrics })
  let draining = false

  const { app } = await buildApp(
    {
      db,
      keys: signingKeys,
      sealer: createSealer(keys.sealKey),
      authenticator: createAuthenticator({ db, keys: signingKeys, origin: config.origin }),
      doors: computeDoors(temporal.client),
      store,
      bell,
      metrics,
      config,
      timings: timings(env),
      runtime: runtimeName(env),
      checks: {
        database: () => db.selectFrom('groups').select('id').limit(1).execute(),
        temporal: () => temporal.check(),
        // Any answer will do: that there is no such object is one.
        store: () => store.head('readyz'),
      },
      walls: () => readWalls(db),
      draining: () => draining,
    },
    loggerOptions(env['DORMOUSE_LOG_LEVEL'] ?? 'info'),
  )

  const close = async (signal: string): Promise<void> => {
    if (draining) return
    draining = true
    app.log.info({ signal }, 'draining')
    setTimeout(() => process.exit(1), CLOSE_WITHIN_MS).unref()
    await app.close()
    await bell.close()
    await temporal.close()
    await db.destroy()
    store.close()
    process.exit(0)
  }
  process.on('SIGTERM', (signal) => void close(signal))
  process.on('SIGINT', (signal) => void close(signal))
  await app.listen({ host: config.host, port: config.port })
}

/** Several replicas may start at once: only one of them finds no users and gets the email. */
const createFirstUser = async (db: Db, first: ReturnType<typeof firstUser>): Promise<void> => {
  if (first === undefined) return
  const someone = await db.selectFrom('users').select('id').limit(1).executeTakeFirst()
  if (someone !== undefined) return
  await createUser(db, { ...first, operator: true }).catch(async (error: unknown) => {
    const made = await db.selectFrom('users').select('id').limit(1).executeTakeFirst()
    if (made === undefined) throw error
  })
}

await main(process.env)
