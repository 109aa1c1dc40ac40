import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { newId } from '../records/ids.ts'
import { startEchoSidekick, type EchoSidekick } from './testing/echo-sidekick.ts'
import { ask, HANDSHAKE } from './testing/wire.ts'
import { makeWorld, type Person, type World } from './testing/world.ts'

let world: World
let sidekick: EchoSidekick
let ann: Person
let id: string
let host: string
let own: string

beforeAll(async () => {
  world = await makeWorld({ DORMOUSE_GATEWAY_WAKE_WAIT_MS: '4000' })
  await world.listen()
  sidekick = await startEchoSidekick()
  ann = await world.person()
  host = `127.0.0.1:${world.port}`
})
afterAll(async () => {
  await world?.close()
  await sidekick?.close()
})
beforeEach(async () => {
  id = await world.compute(ann, { state: 'hibernated', endpoint: sidekick.endpoint })
  own = world.portHost(id, 3000)
  world.desk.asked.length = 0
  sidekick.seen.length = 0
  world.desk.answer(async (computeId) => {
    await sleep(100)
    await world.setState(computeId, 'running')
    return { status: 200 }
  })
})

const token = () => ({ authorization: `Bearer ${ann.token}` })
const call = (line: string, headers: Record<string, string>) =>
  ask(world.port, line.replace(' ', ` /compute/${id}/`), {
    host,
    'content-length': '0',
    ...headers,
  })
const NAVIGATION = {
  'sec-fetch-mode': 'navigate',
  'sec-fetch-dest': 'document',
  'sec-fetch-site': 'none',
  accept: 'text/html,*/*',
}
const doorCookie = async () => {
  const ticket = await world.ticket(ann, id, 'port:3000')
  const entered = await ask(world.port, `GET /.dormouse/enter?ticket=${ticket}`, { host: own })
  return { cookie: (entered.headers['set-cookie'] ?? '').split(';', 1)[0] ?? '' }
}

describe('a sleeping compute wakes', () => {
  it("for a program's call that needs it, and the call goes on", async () => {
    const answer = await call('POST exec', token())
    expect(answer.status).toBe(200)
    expect(sidekick.seen[0]?.url).toBe('/v1/exec')
    expect(world.desk.asked.length).toBe(1)
    expect(world.desk.asked[0]?.path).toMatch(new RegExp(`^/api/computes/${id}/wake\\?wait=\\d+$`))
    expect(world.desk.asked[0]?.headers.authorization).toBe(`Bearer ${ann.token}`)
    expect(world.desk.asked[0]?.headers.host).toBe(`127.0.0.1:${world.desk.port}`)
  })

  it.each([
    ['files', 'GET files?path=/', {}],
    ['an explicit wish by header', 'GET activity', { 'x-dormouse-wake': '1' }],
    ['an explicit wish in the address', 'GET ports?wake=1', {}],
    [
      'an explicit wish of the workspace page',
      'GET files',
      { 'sec-fetch-mode': 'cors', 'sec-fetch-site': 'cross-site', 'x-dormouse-wake': '1' },
    ],
    ['a terminal opened by a program', 'GET terminal', HANDSHAKE],
    ["a program's call to a port", 'GET ports/3000/x', {}],
  ])('for %s', async (_name, line, headers) => {
    const answer = await call(line, { ...headers, ...token() })
    expect([200, 101]).toContain(answer.status)
    expect(world.desk.asked.length).toBe(1)
  })

  it('for a person who opens a page of one of its ports, in the name of their login', async () => {
    const cookie = await doorCookie()
    const answer = await ask(world.port, 'GET /', { host: own, ...NAVIGATION, ...cookie })
    expect(answer.status).toBe(200)
    const [asked] = world.desk.asked
    expect(asked?.headers.cookie).toBeUndefined()
    const minted = asked?.headers.authorization?.slice('Bearer '.length) ?? ''
    const claims = JSON.parse(Buffer.from(minted.split('.')[1] ?? '', 'base64url').toString())
    expect(claims).toMatchObject({ sub: ann.userId, sid: ann.sessionId })
    expect(claims.exp - claims.iat).toBe(30)
  })

  it('once for a hundred requests at the same time', async () => {
    const answers = await Promise.all(Array.from({ length: 100 }, () => call('POST exec', token())))
    expect(answers.filter(({ status }) => status !== 200)).toEqual([])
    expect(world.desk.asked.length).toBe(1)
  })
})

describe('a sleeping compute sleeps on', () => {
  it.each([
    ['a polling read', 'GET activity', {}],
    ['a list of ports', 'GET ports', {}],
    ['a list of terminals', 'GET terminals', {}],
    ['the output of a command', 'GET commands/c1/output', {}],
    ['a call that asks not to wake', 'POST exec', { 'x-dormouse-no-wake': '1' }],
    ['a reconnecting terminal', 'GET terminal?reconnect=1', HANDSHAKE],
    ['a reconnecting terminal that insists', 'GET terminal?reconnect=1&wake=1', HANDSHAKE],
    [
      "a page's background fetch",
      'GET files',
      { 'sec-fetch-mode': 'cors', 'sec-fetch-site': 'cross-site' },
    ],
    [
      'a prefetch',
      'GET ports/3000/',
      { 'sec-purpose': 'prefetch;prerender', 'x-dormouse-wake': '1' },
    ],
  ])('through %s, which is told so', async (_name, line, headers) => {
    const answer = await call(line, { ...headers, ...token() })
    expect(answer.status).toBe(409)
    expect(JSON.parse(answer.body)).toMatchObject({
      code: 'InvalidState',
      state: 'hibernated',
      retry: false,
    })
    expect(answer.body).toContain('/wake')
    expect(world.desk.asked).toEqual([])
  })

  it("through a page's socket, with a ticket or a cookie", async () => {
    const ticket = await world.ticket(ann, id, 'terminal')
    const socket = await call('GET terminal?wake=1', {
      ...HANDSHAKE,
      origin: world.config.apiOrigin,
      'sec-websocket-protocol': `dormouse.terminal.v1, ticket.${ticket}`,
    })
    expect(socket.status).toBe(409)
    const cookie = await doorCookie()
    const app = await ask(world.port, 'GET /', {
      host: own,
      ...HANDSHAKE,
      origin: `http://${own}`,
      ...cookie,
    })
    expect(app.status).toBe(409)
    expect(world.desk.asked).toEqual([])
  })

  it('through anybody who is not let in, and shows people a page', async () => {
    await world.openPort(ann, id, 3000, 'public')
    const viewer = await world.person()
    await world.member(ann.groupId, viewer.userId, 'viewer')
    const anybody = await ask(world.port, 'GET /', { host: own, ...NAVIGATION })
    expect(anybody.status).toBe(409)
    expect(anybody.headers['content-type']).toContain('text/html')
    expect(anybody.body).toContain('asleep')
    const reader = await ask(world.port, 'GET /', { host: own, 'x-dormouse-token': viewer.token })
    expect(reader.status).toBe(409)
    const stranger = await world.person()
    expect((await call('POST exec', { authorization: `Bearer ${stranger.token}` })).status).toBe(
      404,
    )
    expect(world.desk.asked).toEqual([])
  })

  it("through a page's images and scripts, though its cookie is good", async () => {
    const cookie = await doorCookie()
    const image = { 'sec-fetch-mode': 'no-cors', 'sec-fetch-site': 'same-origin' }
    expect((await ask(world.port, 'GET /a.png', { host: own, ...image, ...cookie })).status).toBe(
      409,
    )
    const ahead = await ask(world.port, 'GET /', {
      host: own,
      ...NAVIGATION,
      ...cookie,
      'sec-purpose': 'prefetch',
    })
    expect(ahead.status).toBe(409)
    expect(world.desk.asked).toEqual([])
  })
})

describe('when waking does not work', () => {
  it('the refusal of the API is passed on to each who asked', async () => {
    world.desk.answer(async () => ({
      status: 429,
      body: { code: 'QuotaExceeded', detail: 'no CPU left' },
    }))
    const [one, two] = await Promise.all([call('POST exec', token()), call('POST exec', token())])
    for (const answer of [one, two]) {
      expect(answer.status).toBe(429)
      expect(JSON.parse(answer.body)).toMatchObject({
        code: 'QuotaExceeded',
        detail: 'no CPU left',
      })
    }
  })

  it('the wait is bounded', async () => {
    world.desk.answer(async (computeId) => {
      await world.setState(computeId, 'waking')
      return { status: 202 }
    })
    const startedAt = Date.now()
    const answer = await call('POST exec', token())
    expect(answer.status).toBe(503)
    expect(JSON.parse(answer.body)).toMatchObject({ state: 'waking', retry: true })
    expect(Date.now() - startedAt).toBeLessThan(9_000)
  })

  it.each([
    ['failed', 409, '/retry'],
    ['terminated', 410, 'deleted'],
    ['provisioning', 503, 'try again'],
  ] as const)('a compute that is %s says what to do', async (state, status, advice) => {
    await world.setState(id, state)
    const answer = await call('GET activity', token())
    expect(answer.status).toBe(status)
    expect(answer.body).toContain(advice)
  })

  it('an unreachable sidekick is dialled again, then reported, and no request is sent twice', async () => {
    const gone = await world.compute(ann, {
      state: 'running',
      endpoint: { address: { kind: 'unix', path: `/tmp/${newId()}` }, fingerprint: 'a'.repeat(64) },
    })
    const answer = await ask(world.port, `POST /compute/${gone}/exec`, {
      host,
      'content-length': '0',
      ...token(),
    })
    expect(answer.status).toBe(503)
    expect(JSON.parse(answer.body)).toMatchObject({ code: 'SidekickUnreachable', retry: true })
    expect(answer.body).not.toContain('/tmp')
  })

  it('a sidekick with another certificate is told nothing', async () => {
    const other = await world.compute(ann, {
      state: 'running',
      endpoint: { ...sidekick.endpoint, fingerprint: 'b'.repeat(64) },
    })
    const answer = await ask(world.port, `POST /compute/${other}/exec`, {
      host,
      'content-length': '0',
      ...token(),
    })
    expect(answer.status).toBe(503)
    expect(sidekick.seen).toEqual([])
  })

  it('a sidekick that breaks off in the middle is not asked again', async () => {
    await world.setState(id, 'running')
    sidekick.respond((request) => request.socket.destroy())
    const answer = await call('POST exec', token())
    expect(answer.status).toBe(503)
    expect(sidekick.seen.length).toBe(1)
    sidekick.respond((_request, response) => void response.writeHead(200).end('ok'))
  })
})
