import { Writable } from 'node:stream'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startHarness, type Harness, type Person } from './testing/harness.ts'

let api: Harness
let ann: Person
const lines: string[] = []
beforeAll(async () => {
  const { loggerOptions } = await import('./logging.ts')
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(chunk.toString())
      done()
    },
  })
  api = await startHarness({ logger: { ...(loggerOptions('debug') as object), stream } as never })
  ann = await api.person('ann')
})
afterAll(() => api.stop())

describe('names (S17)', () => {
  it.each([
    'evil.example',
    'evil.example:8080',
    '127.0.0.1.evil.example',
    '10.0.0.7',
    'localhost.evil',
  ])('a Host that is not ours is refused: %s', async (host) => {
    const answer = await api.send('GET', '/auth/me', ann.token, undefined, { host })
    expect(answer.status).toBe(421)
    expect(answer.body.code).toBe('WrongHost')
  })

  it('probes come by address', async () => {
    for (const path of ['/healthz', '/readyz'])
      expect(
        (await api.send('GET', path, undefined, undefined, { host: '10.0.0.7:8080' })).status,
      ).toBe(200)
  })

  it('X-Forwarded-Host changes nothing', async () => {
    const headers = { host: 'evil.example', 'x-forwarded-host': '127.0.0.1:8080' }
    expect((await api.send('GET', '/auth/me', ann.token, undefined, headers)).status).toBe(421)
  })
})

describe('other pages', () => {
  it('may not change anything, whatever cookie comes along', async () => {
    for (const origin of ['https://evil.example', 'null', 'http://3000-abc.localhost:8081']) {
      const answer = await api.send('POST', '/api/computes', ann.token, {}, { origin })
      expect(answer.status, origin).toBe(403)
    }
    const own = { origin: 'http://127.0.0.1:8080' }
    expect((await api.send('POST', '/api/computes', ann.token, {}, own)).status).toBe(201)
    const byName = { origin: 'http://localhost:8080', host: 'localhost:8080' }
    expect((await api.send('POST', '/api/computes', ann.token, {}, byName)).status).toBe(201)
  })

  it('get no CORS permission', async () => {
    const preflight = (origin: string) =>
      api.send('OPTIONS', '/api/computes', undefined, undefined, {
        origin,
        'access-control-request-method': 'POST',
      })
    expect(
      (await preflight('https://evil.example')).headers['access-control-allow-origin'],
    ).toBeUndefined()
    expect((await preflight('http://127.0.0.1:8080')).headers['access-control-allow-origin']).toBe(
      'http://127.0.0.1:8080',
    )
  })

  it('may not frame or script the console', async () => {
    const { headers } = await api.send('GET', '/healthz')
    const policy = String(headers['content-security-policy'])
    expect(policy).toContain("frame-ancestors 'none'")
    expect(policy).toContain("script-src 'self';")
    expect(policy).toContain("connect-src 'self' http://127.0.0.1:8081 ws://127.0.0.1:8081")
    expect(headers['x-content-type-options']).toBe('nosniff')
  })
})

describe('bodies (S20)', () => {
  const raw = (payload: string, type: string) =>
    api.app.inject({
      method: 'POST',
      url: '/api/computes',
      headers: {
        host: '127.0.0.1:8080',
        authorization: `Bearer ${ann.token}`,
        'content-type': type,
      },
      payload,
    })

  it.each([
    'application/json\ta',
    ' application/json garbage',
    'application/json garbage',
    'application/jsonx',
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/json;charset=utf-16garbage\u0000',
    '',
  ])('of type %j never slip past the schema', async (type) => {
    const { statusCode } = await raw('{"nmae":"x"}', type)
    expect(statusCode).toBeGreaterThanOrEqual(400)
    expect(statusCode).toBeLessThan(500)
  })

  it.each([
    '{"__proto__":{"polluted":true}}',
    '{"constructor":{"prototype":{"polluted":true}}}',
    '{"env":{"__proto__":{"polluted":"x"}}}',
    '{"schedule":{"__proto__":{},"timezone":"UTC","hibernate":[],"wake":[]}}',
    '{"name":"x","name2":"y"}',
    '[]',
    '"x"',
    'null',
    '{',
    '',
  ])('%s is refused and pollutes nothing', async (payload) => {
    const { statusCode } = await raw(payload, 'application/json')
    expect(statusCode).toBeGreaterThanOrEqual(400)
    expect(statusCode).toBeLessThan(500)
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  })

  it('of any shape are answered with a problem, never with a 500', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.json(),
        fc.constantFrom('application/json', 'APPLICATION/JSON ; a=b'),
        async (payload, type) => {
          const { statusCode, headers } = await raw(payload, type)
          return (
            statusCode < 500 &&
            (statusCode === 201 || String(headers['content-type']).includes('problem+json'))
          )
        },
      ),
      { numRuns: 100 },
    )
  })

  it('over the limit are refused', async () => {
    expect((await raw(`{"name":"${'x'.repeat(3 << 20)}"}`, 'application/json')).statusCode).toBe(
      413,
    )
  })
})

describe('queries and paths', () => {
  it.each([
    '/api/computes?limit=0',
    '/api/computes?limit=x',
    '/api/computes?cursor[]=1',
    '/api/events?after=1;drop',
    '/api/computes?limit=1&limit=2',
  ])('%s is refused by name', async (url) => {
    const answer = await api.send('GET', url, ann.token)
    expect(answer.status).toBe(422)
    expect(answer.body.field).toBeDefined()
  })

  it.each([
    '/api/computes/..%2f..%2fetc',
    '/api/computes/%00',
    '/api/nothing',
    '/api/computes/ABC',
    '/api/computes/%E0%A4%A',
  ])('%s is nothing, as a problem', async (url) => {
    const answer = await api.send('GET', url, ann.token)
    expect([400, 404]).toContain(answer.status)
    expect(answer.headers['content-type']).toContain('problem+json')
  })
})

describe('the rate limit', () => {
  it('counts callers one by one, tells them when to come back, and counts the unknown by address', async () => {
    const strict = await startHarness({ env: { DORMOUSE_RATE_LIMIT_PER_MINUTE: '5' } })
    const [one, two] = [await strict.person('one'), await strict.person('two')]
    const ask = async (token?: string) => strict.send('GET', '/auth/me', token)
    const statuses = []
    for (let turn = 0; turn < 7; turn++) statuses.push((await ask(one.token)).status)
    expect(statuses).toEqual([200, 200, 200, 200, 200, 429, 429])
    const refusal = await ask(one.token)
    expect(refusal.body).toMatchObject({ code: 'RateLimited', retry: true, status: 429 })
    expect(Number(refusal.headers['retry-after'])).toBeGreaterThan(0)
    expect(refusal.headers['x-ratelimit-limit']).toBe('5')
    expect((await ask(two.token)).status).toBe(200)
    const unknown = []
    for (let turn = 0; turn < 6; turn++) unknown.push((await ask('bad')).status)
    expect(unknown).toEqual([401, 401, 401, 401, 401, 429])
    await strict.stop()
  })
})

it('API keys of one user count as one caller', async () => {
  const strict = await startHarness({ env: { DORMOUSE_RATE_LIMIT_PER_MINUTE: '4' } })
  const one = await strict.person('one')
  const statuses = []
  for (let turn = 0; turn < 6; turn++)
    statuses.push((await strict.send('GET', '/api/groups', await strict.apiKey(one))).status)
  expect(statuses).toEqual([200, 200, 200, 200, 429, 429])
  await strict.stop()
})

describe('logs and ids', () => {
  it('write no token, cookie, password, query or env value', async () => {
    lines.length = 0
    const secrets = ['pw-canary-1', 'env-canary-2', 'cookie-canary-3', 'query-canary-4', ann.token]
    await api.send('POST', '/auth/login', undefined, { email: ann.email, password: secrets[0] })
    await api.send('POST', '/api/computes?wait=x', ann.token, { env: { A: secrets[1] } })
    await api.send('POST', '/api/computes', ann.token, { env: { A: secrets[1], 'B C': '' } })
    await api.send('POST', '/api/computes', ann.token, { env: { A: secrets[1] } })
    await api.send('GET', `/auth/me?ticket=${secrets[3]}`, ann.token, undefined, {
      cookie: `dormouse_session=${secrets[2]}`,
    })
    expect(lines.length).toBeGreaterThan(4)
    for (const secret of secrets) expect(lines.join('')).not.toContain(secret)
  })

  it('keep a caller’s request id when it is harmless', async () => {
    const id = async (given: string) =>
      (await api.send('GET', '/healthz', undefined, undefined, { 'x-request-id': given })).headers[
        'x-request-id'
      ]
    expect(await id('caller-12345')).toBe('caller-12345')
    expect(await id('x"},{"level":60')).toMatch(/^[a-z0-9]{20}$/)
  })
})

describe('operations', () => {
  it('are not ready where a wall around computes does not hold, and say which; traffic goes on', async () => {
    const since = new Date()
    const walls = [
      { part: 'network-policy', holds: false, reason: 'there is none', since },
      { part: 'runtime-class', holds: true, since },
    ]
    const open = await startHarness({ deps: { walls: async () => walls } })
    const ready = await open.send('GET', '/readyz')
    expect(ready.status).toBe(503)
    const [fallen, standing] = walls.map((wall) => ({ ...wall, since: since.toISOString() }))
    expect(ready.body).toMatchObject({ status: 'unready', walls: [fallen, standing] })
    expect((await open.send('GET', '/readyz?for=traffic')).status).toBe(200)
    expect((await open.send('GET', '/readyz?for=nobody')).status).toBe(422)
    await open.stop()
  })

  it('name each part that does not answer, and stay ready for reads', async () => {
    const away = async () => Promise.reject(new Error('away'))
    const broken = await startHarness({
      deps: { checks: { database: async () => {}, temporal: away, store: async () => {} } },
    })
    const ready = await broken.send('GET', '/readyz')
    expect(ready.status).toBe(200)
    expect(ready.body).toMatchObject({
      status: 'degraded',
      database: { ok: true },
      temporal: { ok: false },
      store: { ok: true },
    })
    expect((await broken.send('GET', '/readyz?strict=1')).status).toBe(503)
    await broken.stop()
  })

  it('count computes by group and state, for this machine or the scraper only', async () => {
    const { status, text } = await api.send('GET', '/metrics')
    expect(status).toBe(200)
    expect(text).toMatch(
      new RegExp(`dormouse_computes\\{group="${ann.groupId}",state="running"\\} \\d+`),
    )
    expect(text).toContain('dormouse_http_request_duration_seconds_bucket')
    const guarded = await startHarness({ env: { DORMOUSE_METRICS_TOKEN: 'scrape' } })
    expect((await guarded.send('GET', '/metrics')).status).toBe(403)
    expect((await guarded.send('GET', '/metrics', 'scrape')).status).toBe(200)
    await guarded.stop()
  })

  it('describe every route in OpenAPI', async () => {
    const { body } = await api.send('GET', '/openapi.json')
    const documented = Object.keys(body.paths)
    const ours = api.routes.map(({ url }) => url).filter((url) => /^\/(api|auth)\//.test(url))
    for (const url of ours) expect(documented).toContain(url.replaceAll(/:(\w+)/g, '{$1}'))
    expect((await api.send('GET', '/docs/')).status).toBe(200)
  })
})
