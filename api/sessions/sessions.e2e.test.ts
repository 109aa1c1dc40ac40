import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { PASSWORD, startHarness, type Harness, type Person } from '../testing/harness.ts'

let api: Harness
let ann: Person
beforeAll(async () => {
  api = await startHarness()
  ann = await api.person('ann', true)
})
afterAll(() => api.stop())

const login = (more: object = {}) =>
  api.send('POST', '/auth/login', undefined, { email: ann.email, password: PASSWORD, ...more })
const cookiesOf = (headers: Record<string, unknown>): string[] =>
  [headers['set-cookie'] ?? []].flat() as string[]
const cookieHeader = (cookies: string[]): string =>
  cookies.map((cookie) => cookie.split(';', 1)[0]).join('; ')

describe('logging in', () => {
  it('gives an access token, a refresh token and who one is', async () => {
    const { status, body, headers } = await login()
    expect(status).toBe(200)
    expect(body).toMatchObject({
      expiresIn: 900,
      user: {
        id: ann.userId,
        email: ann.email,
        operator: true,
        personalGroupId: ann.groupId,
        groups: [{ id: ann.groupId, name: 'ann', role: 'owner' }],
      },
    })
    expect(cookiesOf(headers)).toEqual([])
    expect((await api.send('GET', '/auth/me', body.accessToken)).body).toEqual(body.user)
  })

  it('says the same to a wrong password, an unknown email and a disabled user', async () => {
    const gone = await api.person('gone')
    await api.db
      .updateTable('users')
      .set({ disabled_at: new Date() })
      .where('id', '=', gone.userId)
      .execute()
    const bodies = [
      { email: ann.email, password: 'wrong' },
      { email: 'nobody@example.com', password: PASSWORD },
      { email: gone.email, password: PASSWORD },
    ]
    const answers = await Promise.all(
      bodies.map((body) => api.send('POST', '/auth/login', undefined, body)),
    )
    for (const { status, body } of answers) {
      expect(status).toBe(401)
      expect({ ...body, requestId: '' }).toEqual({ ...answers[0]!.body, requestId: '' })
    }
  })

  it('refuses a password of a megabyte, and one that is no text', async () => {
    expect((await login({ password: 'x'.repeat(1 << 20) })).body.field).toBe('password')
    expect((await login({ password: { $ne: null } })).status).toBe(422)
    expect((await login({ password: 'x'.repeat(3 << 20) })).status).toBe(413)
  })

  it('as a page sets HttpOnly cookies and shows scripts no refresh token', async () => {
    const { body, headers } = await login({ cookie: true })
    expect(body.refreshToken).toBeUndefined()
    const cookies = cookiesOf(headers)
    expect(cookies.map((cookie) => cookie.split('=', 1)[0])).toEqual([
      'dormouse_session',
      'dormouse_refresh',
    ])
    for (const cookie of cookies) {
      expect(cookie).toContain('HttpOnly')
      expect(cookie).toContain('SameSite=Strict')
      expect(cookie).not.toContain('Domain')
    }
    const cookie = cookieHeader(cookies)
    expect((await api.send('GET', '/auth/me', undefined, undefined, { cookie })).status).toBe(200)
    const refreshed = await api.send('POST', '/auth/refresh', undefined, undefined, { cookie })
    expect(refreshed.status).toBe(200)
    expect(cookiesOf(refreshed.headers)).toHaveLength(2)
    const next = cookieHeader(cookiesOf(refreshed.headers))
    const out = await api.send('POST', '/auth/logout', undefined, undefined, { cookie: next })
    expect(out.status).toBe(204)
    const after = await api.send('GET', '/auth/me', undefined, undefined, { cookie: next })
    expect(after.status).toBe(401)
  })

  it('over https uses cookies that the browser keeps to this host and to https', async () => {
    const https = await startHarness({
      env: { DORMOUSE_API_ORIGIN: 'https://dormouse.example' },
    })
    const bea = await https.person('bea')
    const { headers } = await https.send(
      'POST',
      '/auth/login',
      undefined,
      { email: bea.email, password: PASSWORD, cookie: true },
      { host: 'dormouse.example' },
    )
    expect(cookiesOf(headers)[0]).toMatch(/^__Host-dormouse_session=.*; Path=\/; HttpOnly; Secure/)
    expect(headers['strict-transport-security']).toBeDefined()
    await https.stop()
  })

  it('is slowed down for one email, and for nobody else', async () => {
    const slow = await startHarness({ env: { DORMOUSE_LOGIN_LIMIT_PER_MINUTE: '3' } })
    const eve = await slow.person('eve')
    const attempt = (email: string) =>
      slow.send('POST', '/auth/login', undefined, { email, password: 'wrong' })
    const answers = []
    for (let turn = 0; turn < 5; turn++) answers.push((await attempt(eve.email)).status)
    expect(answers).toEqual([401, 401, 401, 429, 429])
    expect((await attempt('someone@else.example')).status).toBe(401)
    await slow.stop()
  })
})

it('logins of one address are counted, whichever email they name', async () => {
  const crowded = await startHarness({ env: { DORMOUSE_LOGIN_LIMIT_PER_ADDRESS: '3' } })
  const attempt = (turn: number, remoteAddress = '10.0.0.1') =>
    crowded.app.inject({
      method: 'POST',
      url: '/auth/login',
      remoteAddress,
      headers: { host: '127.0.0.1:8080' },
      payload: { email: `user${turn}@example.com`, password: 'wrong' },
    })
  const answers = []
  for (let turn = 0; turn < 5; turn++) answers.push(await attempt(turn))
  expect(answers.map(({ statusCode }) => statusCode)).toEqual([401, 401, 401, 429, 429])
  expect(answers[4]?.json()).toMatchObject({ code: 'RateLimited' })
  expect(Number(answers[4]?.headers['retry-after'])).toBeGreaterThan(2)
  expect((await attempt(9, '10.0.0.2')).statusCode).toBe(401)
  const sixes = []
  for (let turn = 0; turn < 4; turn++)
    sixes.push((await attempt(turn, `2001:db8::${turn + 1}`)).statusCode)
  expect(sixes).toEqual([401, 401, 401, 429])
  await crowded.stop()
})

describe('refreshing (S9)', () => {
  const refresh = (refreshToken: string, agent = 'cli') =>
    api.send('POST', '/auth/refresh', undefined, { refreshToken }, { 'user-agent': agent })

  it('gives a successor; an old token ends the login and its access tokens at once', async () => {
    const first = (await login()).body
    const second = (await refresh(first.refreshToken)).body
    const third = (await refresh(second.refreshToken)).body
    expect((await api.send('GET', '/auth/me', third.accessToken)).status).toBe(200)
    expect((await refresh(first.refreshToken)).status).toBe(401)
    for (const token of [first, second, third])
      expect((await api.send('GET', '/auth/me', token.accessToken)).status).toBe(401)
  })

  it('twice at once from one client is the same successor; from another the end', async () => {
    const { refreshToken } = (await login()).body
    const [one, two] = await Promise.all([refresh(refreshToken), refresh(refreshToken)])
    expect(one.body.refreshToken).toBe(two.body.refreshToken)
    expect((await refresh(refreshToken, 'thief')).status).toBe(401)
    expect((await refresh(one.body.refreshToken)).status).toBe(401)
  })
})

describe('API keys', () => {
  it('are shown once, work until revoked, and are no one else’s to revoke', async () => {
    const bob = await api.person('bob')
    const made = await api.send('POST', '/auth/api-keys', ann.token, {
      name: 'ci',
      expiresIn: 3600,
    })
    expect(made.status).toBe(201)
    const { key, id } = made.body
    expect((await api.send('GET', '/auth/me', key)).body.operator).toBe(false)
    const listed = await api.send('GET', '/auth/api-keys', ann.token)
    expect(listed.text).not.toContain(key)
    expect(listed.body.items).toMatchObject([{ id, name: 'ci' }])
    expect((await api.send('DELETE', `/auth/api-keys/${id}`, bob.token)).status).toBe(404)
    expect((await api.send('DELETE', `/auth/api-keys/${id}`, ann.token)).status).toBe(204)
    expect((await api.send('GET', '/auth/me', key)).status).toBe(401)
  })
})

describe('users', () => {
  it('are made by operators, with a group of their own', async () => {
    const body = { email: 'New@Example.com', password: 'a long password' }
    const made = await api.send('POST', '/api/users', ann.token, body)
    expect(made.status).toBe(201)
    expect((await api.send('POST', '/api/users', ann.token, body)).body.field).toBe('email')
    const session = await api.send('POST', '/auth/login', undefined, body)
    expect(session.body.user.personalGroupId).toBe(made.body.personal_group_id)
  })
})

it('API keys of one user are counted, those that are revoked or expired are not', async () => {
  const small = await startHarness({ env: { DORMOUSE_API_KEYS_PER_USER: '3' } })
  const one = await small.person('one')
  await small.apiKey(one, { revokedAt: new Date() })
  await small.apiKey(one, { expiresAt: new Date(Date.now() - 1000) })
  const make = () => small.send('POST', '/auth/api-keys', one.token, { name: 'k' })
  const answers = await Promise.all([make(), make(), make(), make(), make()])
  expect(answers.filter(({ status }) => status === 201)).toHaveLength(3)
  expect(answers.filter(({ status }) => status === 429)).toHaveLength(2)
  expect((await make()).body).toMatchObject({ code: 'QuotaExceeded', details: { cap: 3 } })
  await small.stop()
})
