import { generateKeyPairSync } from 'node:crypto'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { Db } from '../records/database.ts'
import { freshDatabase } from '../records/test-database.ts'
import { mintAccessToken } from './access-token.ts'
import { mintApiKey } from './api-keys.ts'
import { createAuthenticator, type Authenticator } from './authenticate.ts'
import { issueDoorTicket, redeemDoorTicket } from './door-tickets.ts'
import { loadSigningKeys } from './keys.ts'
import { verifyPassword } from './passwords.ts'
import { revokeSession, rotateRefreshToken, startSession } from './refresh.ts'
import { createUser } from './users.ts'

const keys = loadSigningKeys(
  generateKeyPairSync('ed25519')
    .privateKey.export({ format: 'der', type: 'pkcs8' })
    .toString('base64'),
)
let suite: Awaited<ReturnType<typeof freshDatabase>>
let db: Db
let auth: Authenticator
let user: { userId: string; personalGroupId: string }

beforeAll(async () => {
  suite = await freshDatabase()
  db = suite.db
  auth = createAuthenticator({ db, keys, origin: 'http://127.0.0.1:8080' })
  user = await createUser(db, { email: ' Ann@Example.com ', password: 'correct horse battery' })
})
afterAll(() => suite.drop())

const login = async () => {
  const session = await startSession(db, user.userId)
  return { session, token: await mintAccessToken(keys, session) }
}
const makeKey = async (change: { expiresAt?: Date; revokedAt?: Date } = {}) => {
  const key = mintApiKey()
  await db
    .insertInto('api_keys')
    .values({
      id: key.id,
      user_id: user.userId,
      group_id: user.personalGroupId,
      name: 'test',
      secret_sha256: key.secretSha256,
      expires_at: change.expiresAt ?? null,
      revoked_at: change.revokedAt ?? null,
    })
    .execute()
  return key
}

describe('authenticate', () => {
  it('takes a token by X-Dormouse-Token, Bearer or cookie, and says who and in which groups', async () => {
    const { token } = await login()
    for (const headers of [
      { 'x-dormouse-token': token },
      { authorization: `Bearer ${token}` },
      { authorization: `bearer ${token}` },
      { cookie: `other=1; dormouse_session=${token}` },
      { authorization: 'Basic c29tZTphcHA=', cookie: `dormouse_session=${token}` },
    ])
      expect(await auth.authenticate({ headers }), JSON.stringify(Object.keys(headers))).toEqual({
        kind: 'user',
        userId: user.userId,
        sessionId: expect.any(String),
        email: 'ann@example.com',
        groups: [{ groupId: user.personalGroupId, role: 'owner' }],
        personalGroupId: user.personalGroupId,
        operator: false,
        actor: `user:${user.userId}`,
      })
  })

  it('never falls back from a bad X-Dormouse-Token to a good cookie', async () => {
    const { token } = await login()
    const headers = { 'x-dormouse-token': 'bad', cookie: `dormouse_session=${token}` }
    expect(await auth.authenticate({ headers })).toBeUndefined()
  })

  it('over https takes only the cookie that the browser keeps host-only', async () => {
    const { token } = await login()
    const https = createAuthenticator({ db, keys, origin: 'https://dormouse.example' })
    const by = (cookie: string) => https.authenticate({ headers: { cookie } })
    expect(await by(`dormouse_session=${token}`)).toBeUndefined()
    expect(await by(`__Host-dormouse_session=${token}`)).toBeDefined()
  })

  it('refuses the access token of a session that was revoked', async () => {
    const { session, token } = await login()
    await revokeSession(db, session.sessionId)
    expect(await auth.authenticateToken(token)).toBeUndefined()
  })

  it('refuses a token that names another user’s session, or a refresh token', async () => {
    const { session } = await login()
    const other = await createUser(db, { email: 'b@example.com', password: 'correct horse' })
    const token = await mintAccessToken(keys, { ...session, userId: other.userId })
    expect(await auth.authenticateToken(token)).toBeUndefined()
    expect(await auth.authenticateToken(session.token)).toBeUndefined()
  })

  it('takes an API key for its own group only and notes its use at most once a minute', async () => {
    const key = await makeKey()
    const group = 'gsecondgroup00000000'
    await db.insertInto('groups').values({ id: group, name: 'second', personal_of: null }).execute()
    await db
      .insertInto('memberships')
      .values({ group_id: group, user_id: user.userId, role: 'member' })
      .execute()
    const principal = await auth.authenticateToken(key.text)
    expect(principal).toMatchObject({ kind: 'key', keyId: key.id, actor: `key:${key.id}` })
    expect(principal?.groups).toEqual([{ groupId: user.personalGroupId, role: 'owner' }])
    const lastUse = async () =>
      (
        await db
          .selectFrom('api_keys')
          .select('last_used_at')
          .where('id', '=', key.id)
          .executeTakeFirstOrThrow()
      ).last_used_at
    await vi.waitFor(async () => expect(await lastUse()).not.toBeNull(), 10_000)
    const first = await lastUse()
    await auth.authenticateToken(key.text)
    await new Promise((wait) => setTimeout(wait, 50))
    expect(await lastUse()).toEqual(first)
  })

  it('refuses keys that are revoked, expired, of another secret, or of someone who left the group', async () => {
    const revoked = await makeKey({ revokedAt: new Date() })
    const expired = await makeKey({ expiresAt: new Date(Date.now() - 1) })
    const [mine, stored] = [mintApiKey(), await makeKey()]
    await db
      .updateTable('api_keys')
      .set({ secret_sha256: mine.secretSha256 })
      .where('id', '=', stored.id)
      .execute()
    const elsewhere = await makeKey()
    await db.insertInto('groups').values({ id: 'gleft', name: 'left', personal_of: null }).execute()
    await db
      .updateTable('api_keys')
      .set({ group_id: 'gleft' })
      .where('id', '=', elsewhere.id)
      .execute()
    for (const { text } of [revoked, expired, stored, elsewhere])
      expect(await auth.authenticateToken(text)).toBeUndefined()
  })

  it('rejects a mistyped key without asking the database', async () => {
    const broken = createAuthenticator({ db: undefined as unknown as Db, keys })
    const { text } = await makeKey()
    const mistyped = text.slice(0, -1) + (text.endsWith('0') ? '1' : '0')
    expect(await broken.authenticateToken(mistyped)).toBeUndefined()
    await expect(broken.authenticateToken(text)).rejects.toThrow()
  })

  it('refuses everything of a disabled user', async () => {
    const { token } = await login()
    const key = await makeKey()
    const disable = (at: Date | null) =>
      db.updateTable('users').set({ disabled_at: at }).where('id', '=', user.userId).execute()
    await disable(new Date())
    expect(await auth.authenticateToken(token)).toBeUndefined()
    expect(await auth.authenticateToken(key.text)).toBeUndefined()
    await disable(null)
  })

  it('leaves nothing in the database that opens a door', async () => {
    const { session, token } = await login()
    const key = await makeKey()
    const ticket = await issueDoorTicket(db, {
      principal: (await auth.authenticateToken(token))!,
      computeId: 'c',
      groupId: user.personalGroupId,
      purpose: 'terminal',
    })
    const { rows } = await sql<{ dump: string }>`
      select (select json_agg(k) from api_keys k)::text || (select json_agg(r) from refresh_tokens r)::text
        || (select json_agg(d) from door_tickets d)::text as dump`.execute(db)
    const dump = rows[0]!.dump
    const secrets = [key.text, key.text.split('_')[2]!, session.token, ticket, token]
    for (const secret of secrets) {
      expect(dump).not.toContain(secret)
      expect(dump).not.toContain(Buffer.from(secret).toString('hex'))
    }
  })
})

describe('refresh', () => {
  const rotate = (token: string, client = 'ip agent') => rotateRefreshToken(db, keys, token, client)

  it('revokes the family when an old token comes back', async () => {
    const { session, token } = await login()
    const second = await rotate(session.token)
    const third = await rotate(second!.token)
    expect(third).toBeDefined()
    expect(await rotate(session.token)).toBeUndefined()
    expect(await rotate(third!.token)).toBeUndefined()
    expect(await auth.authenticateToken(token)).toBeUndefined()
  })

  it('gives two parallel requests of one client the same successor', async () => {
    const { session } = await login()
    const [one, two] = await Promise.all([rotate(session.token), rotate(session.token)])
    expect(one?.token).toBe(two?.token)
    expect(await rotate(one!.token)).toBeDefined()
  })

  it('revokes the family when another client repeats the token', async () => {
    const { session } = await login()
    const next = await rotate(session.token)
    expect(await rotate(session.token, 'elsewhere')).toBeUndefined()
    expect(await rotate(next!.token)).toBeUndefined()
  })

  it('revokes the family when the repeat comes after 10 s', async () => {
    const { session } = await login()
    const next = await rotate(session.token)
    await db
      .updateTable('refresh_tokens')
      .set({ used_at: new Date(Date.now() - 10_001) })
      .where('family_id', '=', session.sessionId)
      .where('used_at', 'is not', null)
      .execute()
    expect(await rotate(session.token)).toBeUndefined()
    expect(await rotate(next!.token)).toBeUndefined()
  })

  it('refuses what expired, and what never was', async () => {
    const { session } = await login()
    await db
      .updateTable('refresh_tokens')
      .set({ expires_at: new Date(Date.now() - 1) })
      .where('family_id', '=', session.sessionId)
      .execute()
    expect(await rotate(session.token)).toBeUndefined()
    expect(await rotate('dmr_nothing')).toBeUndefined()
  })
})

describe('a door ticket', () => {
  const door = { computeId: 'c1', purpose: 'terminal' } as const
  const issue = async (ttlMs?: number) => {
    const principal = (await auth.authenticateToken((await login()).token))!
    return issueDoorTicket(db, {
      ...door,
      principal,
      groupId: user.personalGroupId,
      ...(ttlMs === undefined ? {} : { ttlMs }),
    })
  }

  it('opens its door once, also when twenty try at once', async () => {
    const ticket = await issue()
    const tries = await Promise.all(
      Array.from({ length: 20 }, () => redeemDoorTicket(db, ticket, door)),
    )
    const opened = tries.filter((principal) => principal !== undefined)
    expect(opened).toHaveLength(1)
    expect(opened[0]?.userId).toBe(user.userId)
  })

  it('opens no other compute and no other purpose, and is not used up by trying', async () => {
    const ticket = await issue()
    expect(await redeemDoorTicket(db, ticket, { ...door, computeId: 'c2' })).toBeUndefined()
    expect(await redeemDoorTicket(db, ticket, { ...door, purpose: 'port:80' })).toBeUndefined()
    expect(await redeemDoorTicket(db, ticket, door)).toBeDefined()
  })

  it('is worth nothing once its time is over', async () => {
    expect(await redeemDoorTicket(db, await issue(-1), door)).toBeUndefined()
  })
})

describe('a password', () => {
  const stored = () =>
    db
      .selectFrom('users')
      .select('password_hash')
      .where('id', '=', user.userId)
      .executeTakeFirstOrThrow()

  it('is stored as argon2id with at least 19 MiB and two passes', async () => {
    const { password_hash: hash } = await stored()
    expect(hash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
    expect(await verifyPassword(hash, 'correct horse battery')).toBe(true)
    expect(await verifyPassword(hash, 'wrong horse battery')).toBe(false)
  })

  it('of a megabyte is refused without hashing it', async () => {
    const long = 'x'.repeat(1 << 20)
    await expect(createUser(db, { email: 'c@example.com', password: long })).rejects.toThrow(/256/)
    expect(await verifyPassword((await stored()).password_hash, long)).toBe(false)
  })

  it('takes as long to refuse for nobody as for somebody', async () => {
    const { password_hash: hash } = await stored()
    // Time on the processor, in turns: what else the machine does must not decide.
    const work = async (of: string | undefined) => {
      const before = process.cpuUsage()
      expect(await verifyPassword(of, 'wrong horse battery')).toBe(false)
      return process.cpuUsage(before).user
    }
    const times = { known: [] as number[], unknown: [] as number[] }
    for (let turn = 0; turn < 31; turn++) {
      times.known.push(await work(hash))
      times.unknown.push(await work(undefined))
    }
    const median = (of: number[]) => of.sort((a, b) => a - b)[15]!
    const [known, unknown] = [median(times.known), median(times.unknown)]
    expect(unknown / known).toBeGreaterThan(0.5)
    expect(unknown / known).toBeLessThan(2)
  })

  it('keeps memory flat when fifty log in at once', async () => {
    const { password_hash: hash } = await stored()
    const before = process.memoryUsage.rss()
    let peak = before
    const watch = setInterval(() => (peak = Math.max(peak, process.memoryUsage.rss())), 5)
    await Promise.all(
      Array.from({ length: 50 }, () => verifyPassword(hash, 'correct horse battery')),
    )
    clearInterval(watch)
    expect((peak - before) / 2 ** 20).toBeLessThan(200)
  })
})
