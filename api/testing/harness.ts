import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import type { FastifyServerOptions, InjectOptions } from 'fastify'
import { Registry } from 'prom-client'
import { mintAccessToken } from '../../auth/access-token.ts'
import { mintApiKey } from '../../auth/api-keys.ts'
import { createAuthenticator } from '../../auth/authenticate.ts'
import { loadSigningKeys } from '../../auth/keys.ts'
import { startSession } from '../../auth/refresh.ts'
import { createSealer } from '../../auth/seal.ts'
import { createUser } from '../../auth/users.ts'
import { apiConfig } from '../../config/config.ts'
import { openEventBell } from '../../records/event-bell.ts'
import type { Role } from '../../records/schema.ts'
import { freshDatabase } from '../../records/test-database.ts'
import { DEFAULT_TIMINGS } from '../../workflows/compute/contract.ts'
import { DormouseError } from '../../workflows/errors.ts'
import { buildApp } from '../app.ts'
import type { AppDeps } from '../deps.ts'
import { fakeDoors } from './doors-fake.ts'

const ORIGIN = 'http://127.0.0.1:8080'
export const PASSWORD = 'correct horse battery'

export interface Person {
  readonly userId: string
  readonly groupId: string
  readonly email: string
  readonly token: string
  readonly sessionId: string
}

export type Harness = Awaited<ReturnType<typeof startHarness>>

/** The API over a database of its own, with people in it; the doors to Temporal are a fake. */
export const startHarness = async (
  options: {
    env?: Record<string, string>
    logger?: FastifyServerOptions['logger']
    deps?: Partial<AppDeps>
  } = {},
) => {
  const suite = await freshDatabase()
  const { db } = suite
  const keys = loadSigningKeys(
    generateKeyPairSync('ed25519')
      .privateKey.export({ format: 'der', type: 'pkcs8' })
      .toString('base64'),
  )
  const config = apiConfig({
    DORMOUSE_API_ORIGIN: ORIGIN,
    DORMOUSE_GATEWAY_ORIGIN: 'http://127.0.0.1:8081',
    DORMOUSE_RATE_LIMIT_PER_MINUTE: '1000000',
    DORMOUSE_LOGIN_LIMIT_PER_MINUTE: '1000000',
    DORMOUSE_LOGIN_LIMIT_PER_ADDRESS: '1000000',
    ...options.env,
  })
  const doors = fakeDoors(db)
  const objects = new Map<string, Buffer>()
  const bell = openEventBell(suite.url)
  const deps: AppDeps = {
    db,
    keys,
    sealer: createSealer(randomBytes(32).toString('base64')),
    authenticator: createAuthenticator({ db, keys, origin: config.origin }),
    doors,
    store: {
      get: async (key) => {
        const object = objects.get(key)
        if (object === undefined) throw new DormouseError('StoreUnavailable', `no ${key}`)
        return Readable.from([object])
      },
    },
    bell,
    metrics: new Registry(),
    config,
    timings: DEFAULT_TIMINGS,
    runtime: 'local',
    walls: async () => [],
    checks: {
      database: async () => db.selectFrom('users').select('id').limit(1).execute(),
      temporal: async () => {},
      store: async () => {},
    },
    draining: () => false,
    ...options.deps,
  }
  const { app, routes } = await buildApp(deps, options.logger)
  await app.ready()

  const person = async (name: string, operator = false): Promise<Person> => {
    const email = `${name}@example.com`
    const { userId, personalGroupId } = await createUser(db, {
      email,
      password: PASSWORD,
      operator,
    })
    const session = await startSession(db, userId)
    return {
      userId,
      groupId: personalGroupId,
      email,
      sessionId: session.sessionId,
      token: await mintAccessToken(keys, session),
    }
  }
  const join = (who: Person, groupId: string, role: Role) =>
    db.insertInto('memberships').values({ group_id: groupId, user_id: who.userId, role }).execute()
  const apiKey = async (who: Person, change: { revokedAt?: Date; expiresAt?: Date } = {}) => {
    const key = mintApiKey()
    await db
      .insertInto('api_keys')
      .values({
        id: key.id,
        user_id: who.userId,
        group_id: who.groupId,
        name: 'test',
        secret_sha256: key.secretSha256,
        expires_at: change.expiresAt ?? null,
        revoked_at: change.revokedAt ?? null,
      })
      .execute()
    return key.text
  }
  /** Sends JSON as `token`; the answer's JSON is `body`. */
  const send = async (
    method: string,
    url: string,
    token?: string,
    payload?: unknown,
    headers: Record<string, string> = {},
  ) => {
    const response = await app.inject({
      method: method as 'GET',
      url,
      headers: {
        host: '127.0.0.1:8080',
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...headers,
      },
      ...(payload === undefined
        ? {}
        : { payload: payload as NonNullable<InjectOptions['payload']> }),
    })
    const text = response.body
    return {
      status: response.statusCode,
      headers: response.headers,
      text,
      // eslint-disable-next-line @typescript-eslint/no-explicit-any
      body: (/json/.test(String(response.headers['content-type'])) ? JSON.parse(text) : {}) as any,
    }
  }
  return {
    app,
    routes,
    deps,
    db,
    url: suite.url,
    doors,
    objects,
    person,
    join,
    apiKey,
    send,
    async stop() {
      await app.close()
      await bell.close()
      await suite.drop()
    },
  }
}
