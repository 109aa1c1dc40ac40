import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { newId } from '../records/ids.ts'
import { startEchoSidekick, type EchoSidekick, type Seen } from './testing/echo-sidekick.ts'
import { ask, HANDSHAKE, parseAnswer, sendRaw } from './testing/wire.ts'
import { makeWorld, type Person, type World } from './testing/world.ts'

let world: World
let sidekick: EchoSidekick
let ann: Person
let bob: Person
let id: string
let asleep: string
let host: string

beforeAll(async () => {
  world = await makeWorld()
  await world.listen()
  sidekick = await startEchoSidekick()
  ann = await world.person()
  bob = await world.person()
  id = await world.compute(ann, { state: 'running', endpoint: sidekick.endpoint })
  asleep = await world.compute(ann, { state: 'hibernated' })
  host = `127.0.0.1:${world.port}`
})
afterAll(async () => {
  await world?.close()
  await sidekick?.close()
})
beforeEach(() => {
  sidekick.seen.length = 0
  world.desk.asked.length = 0
})

const bearer = (person: Person) => ({ authorization: `Bearer ${person.token}` })
const appOrigin = () => world.config.apiOrigin
const siblingOrigin = () => `http://${world.portHost(newId(), 3000)}`
const text = (seen: Seen) => [seen.url, ...seen.rawHeaders, seen.body].join('\n')

const PATHS = [
  'terminal',
  'terminals',
  'exec',
  'commands',
  'commands/c1/output',
  'files?path=/',
  'files/content?path=a',
  'files/watch?path=a',
  'ports',
  'ports/3000/',
  'activity',
]

describe('without a valid credential (S2)', () => {
  const attempts = (): Record<string, string>[] => [
    {},
    { authorization: 'Bearer nonsense' },
    { authorization: `Bearer dmk_${newId()}_${'a'.repeat(49)}` },
    { 'x-dormouse-token': 'nonsense' },
    { authorization: `Bearer ${ann.token.slice(0, -2)}xx` },
    { cookie: `dormouse_session=${ann.token}` },
    { cookie: `dormouse_door=${ann.token}` },
  ]

  it('answers 401 to HTTP and to a handshake on every path, and neither dials nor wakes', async () => {
    const before = sidekick.connections
    for (const computeId of [id, asleep, newId()])
      for (const path of PATHS)
        for (const headers of attempts()) {
          const said = `${path} ${JSON.stringify(headers)}`
          const url = `/compute/${computeId}/${path}`
          const http = await ask(world.port, `GET ${url}`, { host, ...headers })
          expect(http.status, said).toBe(401)
          const socket = await ask(world.port, `GET ${url}`, { host, ...HANDSHAKE, ...headers })
          expect(socket.status, said).toBe(401)
        }
    for (const headers of attempts()) {
      const own = { ...headers, host: world.portHost(id, 3000) }
      expect((await ask(world.port, 'GET /', own)).status).toBe(401)
      expect((await ask(world.port, 'GET /', { ...own, ...HANDSHAKE })).status).toBeGreaterThan(400)
    }
    expect(sidekick.connections).toBe(before)
    expect(world.desk.asked).toEqual([])
  })

  it('takes no ticket of another purpose, of another compute, or twice', async () => {
    const ticket = await world.ticket(ann, id, 'terminal')
    const dial = (computeId: string, path: string, token: string) =>
      ask(world.port, `GET /compute/${computeId}/${path}`, {
        host,
        ...HANDSHAKE,
        origin: appOrigin(),
        'sec-websocket-protocol': `dormouse.terminal.v1, ticket.${token}`,
      })
    expect((await dial(asleep, 'terminal', ticket)).status).toBe(401)
    expect((await dial(id, 'files/watch', ticket)).status).toBe(401)
    expect((await dial(id, 'terminal', ticket)).status).toBe(101)
    expect((await dial(id, 'terminal', ticket)).status).toBe(401)
  })

  it("shows a stranger's compute as one that is not there", async () => {
    const there = await ask(world.port, `GET /compute/${id}/files`, { host, ...bearer(bob) })
    const absent = await ask(world.port, `GET /compute/${newId()}/files`, { host, ...bearer(bob) })
    expect(there.status).toBe(404)
    expect(there.body).toBe(absent.body)
  })

  it('lets a viewer read what is on and use nothing', async () => {
    const viewer = await world.person()
    await world.member(ann.groupId, viewer.userId, 'viewer')
    const status = async (path: string) =>
      (await ask(world.port, `GET /compute/${id}/${path}`, { host, ...bearer(viewer) })).status
    expect(await status('activity')).toBe(200)
    expect(await status('files')).toBe(403)
    expect(await status('ports/3000/')).toBe(403)
  })
})

describe('pages of other origins (S3)', () => {
  const withTicket = async (origin: Record<string, string>) =>
    ask(world.port, `GET /compute/${id}/terminal`, {
      host,
      ...HANDSHAKE,
      ...origin,
      'sec-websocket-protocol': `dormouse.terminal.v1, ticket.${await world.ticket(ann, id, 'terminal')}`,
    })

  it('are refused, even with a good ticket; the workspace page is not', async () => {
    for (const origin of ['https://evil.example', 'null', siblingOrigin(), `http://${host}`, ''])
      expect((await withTicket({ origin })).status, origin).toBe(403)
    expect((await withTicket({ cookie: 'a=b' })).status).toBe(403)
    const good = await withTicket({ origin: appOrigin() })
    expect(good.status).toBe(101)
    expect(good.headers['sec-websocket-protocol']).toBe('dormouse.terminal.v1')
  })

  it('are refused with a token too, and a program without Origin is not', async () => {
    const dial = (headers: Record<string, string>) =>
      ask(world.port, `GET /compute/${id}/terminal`, {
        host,
        ...HANDSHAKE,
        ...bearer(ann),
        ...headers,
      })
    expect((await dial({ origin: siblingOrigin() })).status).toBe(403)
    expect((await dial({})).status).toBe(101)
  })

  it("cannot use a port's cookie: not from a sibling, not without an Origin, not by posting", async () => {
    const own = world.portHost(id, 3000)
    const cookie = await enter(own)
    const dial = (headers: Record<string, string>) =>
      ask(world.port, 'GET /socket', { host: own, ...HANDSHAKE, cookie, ...headers })
    expect((await dial({})).status).toBe(403)
    expect((await dial({ origin: siblingOrigin() })).status).toBe(403)
    expect((await dial({ origin: `http://${own}` })).status).toBe(101)
    const post = (headers: Record<string, string>) =>
      ask(world.port, 'POST /', { host: own, cookie, 'content-length': '0', ...headers })
    expect((await post({ origin: siblingOrigin() })).status).toBe(401)
    expect(
      (await post({ 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'navigate' })).status,
    ).toBe(401)
    expect((await post({ origin: `http://${own}`, 'sec-fetch-site': 'same-origin' })).status).toBe(
      200,
    )
  })

  it('cannot frame a port with its cookie, and may link to it', async () => {
    const own = world.portHost(id, 3000)
    const cookie = await enter(own)
    const asked = async (site: string, dest: Record<string, string>) => {
      const navigation = { 'sec-fetch-site': site, 'sec-fetch-mode': 'navigate', ...dest }
      return (await ask(world.port, 'GET /', { host: own, cookie, ...navigation })).status
    }
    for (const site of ['same-site', 'cross-site']) {
      for (const frame of ['iframe', 'frame', 'object', 'embed', 'fencedframe'])
        expect(await asked(site, { 'sec-fetch-dest': frame }), `${site} ${frame}`).toBe(401)
      expect(await asked(site, {})).toBe(401)
      expect(await asked(site, { 'sec-fetch-dest': 'document' })).toBe(200)
    }
    // Its own page may frame itself.
    expect(await asked('same-origin', { 'sec-fetch-dest': 'iframe' })).toBe(200)
  })

  it('get CORS answers only when they are the workspace', async () => {
    const preflight = (origin: string) =>
      ask(world.port, `OPTIONS /compute/${id}/files`, {
        host,
        origin,
        'access-control-request-method': 'GET',
        'access-control-request-headers': 'x-dormouse-token',
      })
    const good = await preflight(appOrigin())
    expect(good.status).toBe(204)
    expect(good.headers['access-control-allow-origin']).toBe(appOrigin())
    expect(good.headers['access-control-allow-headers']).toContain('x-dormouse-token')
    expect(
      (await preflight('https://evil.example')).headers['access-control-allow-origin'],
    ).toBeUndefined()
    expect(sidekick.seen).toEqual([])
  })
})

const enter = async (portHost: string, more = '') => {
  const [port = ''] = portHost.split('-')
  const ticket = await world.ticket(ann, id, `port:${Number(port)}`)
  const answer = await ask(world.port, `GET /.dormouse/enter?ticket=${ticket}${more}`, {
    host: portHost,
  })
  expect(answer.status).toBe(303)
  return (answer.headers['set-cookie'] ?? '').split(';', 1)[0] ?? ''
}

describe('what a compute sees of a request (S4, S16)', () => {
  const leaks = (seen: Seen) => text(seen).replaceAll(/Bearer eyJ\S+sidekick\S*/g, '')

  it('holds none of our credentials, in header, URL, subprotocol or cookie', async () => {
    const key = await world.apiKey(ann)
    const own = world.portHost(id, 3000)
    const cookie = await enter(own)
    const ticket = await world.ticket(ann, id, 'terminal')
    const cookies = `theirs=1; ${cookie}; dormouse_session=${ann.token}; __Host-dormouse_session=x1x2x3; also=2`
    await ask(world.port, `GET /compute/${id}/ports/3000/a`, {
      host,
      authorization: `Bearer ${key}`,
      cookie: cookies,
    })
    await ask(world.port, `GET /compute/${id}/files`, {
      host,
      'x-dormouse-token': ann.token,
      cookie: cookies,
    })
    await ask(world.port, 'GET /b', { host: own, 'x-dormouse-token': key, cookie: cookies })
    await ask(world.port, 'GET /c', { host: own, cookie: cookies })
    await ask(world.port, 'GET /d', {
      host: own,
      'x-dormouse-token': ann.token,
      authorization: `Basic ${Buffer.from(`git:${key}`).toString('base64')}`,
    })
    await ask(world.port, `GET /compute/${id}/terminal?ticket=${ticket}&id=main`, {
      host,
      ...HANDSHAKE,
      origin: appOrigin(),
      'sec-websocket-protocol': `ticket.${ticket}, dormouse.terminal.v1`,
    })
    expect(sidekick.seen.length).toBe(6)
    for (const seen of sidekick.seen) {
      const all = leaks(seen)
      for (const secret of [key, ann.token, ticket, cookie.split('=')[1] ?? '?', 'x1x2x3', 'dmt_'])
        expect(all).not.toContain(secret)
    }
    expect(sidekick.seen[2]?.rawHeaders).toContain('theirs=1; also=2')
    expect(sidekick.seen[5]?.url).toBe('/v1/terminal?id=main')
    expect(sidekick.seen[5]?.rawHeaders).toContain('dormouse.terminal.v1')
  })

  it("holds the application's own Authorization, cookies and query as they were", async () => {
    const own = world.portHost(id, 3000)
    await ask(world.port, 'GET /x?wake=1&reconnect=1&ticket=theirs', {
      host: own,
      'x-dormouse-token': ann.token,
      authorization: 'Bearer their-own-token',
      cookie: 'session=theirs',
    })
    const [seen] = sidekick.seen
    expect(seen?.url).toBe('/v1/ports/3000/x?wake=1&reconnect=1&ticket=theirs')
    const headers = flat(seen)
    expect(headers['x-dormouse-forward-authorization']).toBe('Bearer their-own-token')
    expect(headers['cookie']).toBe('session=theirs')
    expect(headers['host']).toBe(own)
    expect(headers['x-forwarded-host']).toBe(own)
    expect(headers['x-forwarded-proto']).toBe('http')
  })

  it('holds nothing a client says in the name of a proxy or of the platform', async () => {
    const own = world.portHost(id, 3000)
    await ask(world.port, 'GET /', {
      host: own,
      'x-dormouse-token': ann.token,
      'x-forwarded-for': '6.6.6.6',
      'x-forwarded-host': 'evil.example',
      'X-Forwarded-Proto': 'gopher',
      x_forwarded_for: '6.6.6.6',
      forwarded: 'for=6.6.6.6',
      'x-real-ip': '6.6.6.6',
      'x-compute-id': 'evil-compute',
      'x-dormouse-forward-authorization': 'Bearer evil',
      'x-dormouse-generation': 'evil-generation',
    })
    const all = text(sidekick.seen[0] as Seen)
    for (const lie of ['6.6.6.6', 'evil', 'gopher']) expect(all).not.toContain(lie)
  })
})

const flat = (seen: Seen | undefined): Record<string, string> => {
  const headers: Record<string, string> = {}
  const raw = seen?.rawHeaders ?? []
  for (let index = 0; index < raw.length; index += 2)
    headers[raw[index]?.toLowerCase() ?? ''] = raw[index + 1] ?? ''
  return headers
}

describe('what a compute may answer', () => {
  it('sets no cookie of ours and none for a wider domain, and clears nothing', async () => {
    sidekick.respond((_request, response) => {
      response.writeHead(200, [
        ...['Set-Cookie', 'fine=1; Path=/', 'Set-Cookie', 'wide=1; domain=localhost'],
        ...[
          'Set-Cookie',
          'dormouse_session=evil',
          'Set-Cookie',
          '__Host-dormouse_door=evil; Path=/',
        ],
        ...['Clear-Site-Data', '"*"', 'Service-Worker-Allowed', '/', 'Alt-Svc', 'h3=":1"'],
        ...['X-Dormouse-Archive', 'full', 'Access-Control-Allow-Origin', '*'],
      ])
      response.end('hello')
    })
    const own = { host: world.portHost(id, 3000), 'x-dormouse-token': ann.token }
    const page = await ask(world.port, 'GET /', own)
    expect(page.headers['set-cookie']).toBe('fine=1; Path=/')
    expect(page.headers['access-control-allow-origin']).toBe('*')
    for (const name of [
      'clear-site-data',
      'service-worker-allowed',
      'alt-svc',
      'x-dormouse-archive',
    ])
      expect(page.headers[name]).toBeUndefined()
    const inert = await ask(world.port, `GET /compute/${id}/ports/3000/`, { host, ...bearer(ann) })
    expect(inert.headers['content-security-policy']).toBe('sandbox')
    expect(inert.headers['x-content-type-options']).toBe('nosniff')
    sidekick.respond((request, response) => response.writeHead(200).end(`you asked ${request.url}`))
  })
})

describe('ports (S5)', () => {
  it('are whole numbers from 1 to 65535 in a path that stays below them; nothing else is dialled', async () => {
    const before = sidekick.connections
    const paths = [
      ...[
        '80@evil',
        '0x50',
        '-1',
        '0',
        '00080',
        '65536',
        '99999',
        '8e1',
        '80.0',
        '+80',
        ' 80',
        '%38%30',
        '80%2f',
        '',
      ],
      ...[
        '..',
        '%2e%2e',
        '%2E.',
        '3000/../../freeze',
        '3000/%2e%2e/%2e%2e/claim',
        '3000/..%2f..',
        '3000\\..\\x',
      ],
      ...['/evil.example', '3000;x', '3000:81', '[::1]'],
    ]
    for (const path of paths) {
      if (path === '3000/..%2f..') continue // one segment whose dots are the application's own business
      const { status } = await ask(world.port, `GET /compute/${id}/ports/${path}`, {
        host,
        ...bearer(ann),
      })
      expect([400, 404], path).toContain(status)
    }
    for (const label of [
      `0-${id}`,
      `65536-${id}`,
      `080-${id}`,
      `x-${id}`,
      `80-${id}-x`,
      `80--${id}`,
      `80-${id}.evil`,
    ])
      expect(
        (
          await ask(world.port, 'GET /', {
            host: `${label}.localhost:${world.port}`,
            ...bearer(ann),
          })
        ).status,
        label,
      ).toBe(421)
    for (const control of [
      'freeze',
      'thaw',
      'archive',
      'restore',
      'restored',
      'claim',
      'open',
      'retire',
      'shutdown',
      'hello',
      'saves/x',
      'files/../freeze',
      'terminals/../freeze',
      'terminals/%2e%2e',
      'commands/x/../../freeze',
      'files%2f..%2ffreeze',
      'exec/../claim',
    ])
      for (const method of ['GET', 'POST', 'PUT'])
        expect([400, 404], control).toContain(
          (
            await ask(world.port, `${method} /compute/${id}/${control}`, {
              host,
              'content-length': '0',
              ...bearer(ann),
            })
          ).status,
        )
    expect(sidekick.connections).toBe(before)
    expect(sidekick.seen).toEqual([])
  })

  it('go by absolute-form only to the host that is named', async () => {
    const get = (url: string) => ask(world.port, `GET ${url}`, { host, ...bearer(ann) })
    expect((await get(`http://evil.example/compute/${id}/files`)).status).toBe(400)
    expect((await get(`http://127.0.0.1:1/compute/${id}/files`)).status).toBe(400)
    expect((await get(`http://user@${host}/compute/${id}/files`)).status).toBe(400)
    expect((await get(`http://${host}/compute/${id}/files`)).status).toBe(200)
    const proxy = await sendRaw(
      world.port,
      `CONNECT 169.254.169.254:80 HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
    )
    expect(proxy).not.toContain('200')
  })

  it('pass a redirect on and do not follow it', async () => {
    sidekick.respond((_request, response) =>
      response.writeHead(302, { location: 'http://169.254.169.254/' }).end(),
    )
    const answer = await ask(world.port, 'GET /', {
      host: world.portHost(id, 3000),
      'x-dormouse-token': ann.token,
    })
    expect(answer.status).toBe(302)
    expect(sidekick.seen.length).toBe(1)
    sidekick.respond((request, response) => response.writeHead(200).end(`you asked ${request.url}`))
  })
})

describe('requests that two servers could read differently (S15)', () => {
  const POST = () =>
    `POST /compute/${id}/exec HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${ann.token}\r\n`
  const SMUGGLED = 'GET /v1/freeze HTTP/1.1\r\nHost: x\r\n\r\n'
  const forms = (): Record<string, string> => ({
    'CL and TE': `${POST()}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
    'TE and CL': `${POST()}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n${SMUGGLED}`,
    'two TE': `${POST()}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n${SMUGGLED}`,
    'TE list': `${POST()}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
    'TE unknown': `${POST()}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
    'TE with a space before the colon': `${POST()}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
    'TE by vertical tab': `${POST()}Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
    'two CL': `${POST()}Content-Length: 0\r\nContent-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`,
    'CL list': `${POST()}Content-Length: 0, ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`,
    'CL with a sign': `${POST()}Content-Length: +0\r\n\r\n${SMUGGLED}`,
    'obs-fold': `${POST()}X-A: b\r\n Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n${SMUGGLED}`,
    'bare LF': `${POST()}X-A: b\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
    'NUL in a value': `${POST()}X-A: b\0c\r\nContent-Length: 0\r\n\r\n`,
    'two Hosts': `${POST()}Host: evil.example\r\nContent-Length: 0\r\n\r\n`,
    'no Host': `POST /compute/${id}/exec HTTP/1.1\r\nAuthorization: Bearer ${ann.token}\r\nContent-Length: 0\r\n\r\n`,
    'Connection names Content-Length': `${POST()}Content-Length: ${SMUGGLED.length}\r\nConnection: close, content-length\r\n\r\n${SMUGGLED}`,
    'Connection names Host': `${POST()}Content-Length: 0\r\nConnection: close, Host\r\n\r\n`,
    'chunk size with a sign': `${POST()}Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n`,
    'too many headers': `${POST()}${'X-A: b\r\n'.repeat(300)}Content-Length: 0\r\n\r\n`,
    'h2c upgrade': `GET /compute/${id}/files HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${ann.token}\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n`,
  })

  it('are refused whole, and the sidekick sees nothing of them', async () => {
    for (const [name, form] of Object.entries(forms())) {
      const answer = parseAnswer(await sendRaw(world.port, form, 600))
      // Closing without a word is a refusal too.
      expect(
        Number.isNaN(answer.status) || (answer.status >= 400 && answer.status < 500),
        `${name}: ${answer.head}`,
      ).toBe(true)
      expect(sidekick.seen, name).toEqual([])
    }
  })

  it('lose what Connection names, and are one request behind', async () => {
    const answer = await ask(
      world.port,
      `POST /compute/${id}/exec`,
      {
        host,
        ...bearer(ann),
        connection: 'close, X-Secret',
        'x-secret': 'hop',
        te: 'trailers',
        'keep-alive': 'timeout=5',
        'proxy-connection': 'keep-alive',
        'transfer-encoding': 'chunked',
      },
      `4\r\nGET \r\n${SMUGGLED.length.toString(16)}\r\n${SMUGGLED}\r\n0\r\n\r\n`,
    )
    expect(answer.status).toBe(200)
    expect(sidekick.seen.length).toBe(1)
    expect(sidekick.seen[0]?.body).toBe(`GET ${SMUGGLED}`)
    const headers = flat(sidekick.seen[0])
    for (const name of ['x-secret', 'te', 'proxy-connection']) expect(headers[name]).toBeUndefined()
  })
})

describe('names (S17)', () => {
  it('that are not ours get 421, whatever they ask', async () => {
    for (const name of [
      'evil.example',
      `evil.example:${world.port}`,
      '127.0.0.1',
      '127.0.0.1:1',
      'localhost.evil.example',
      `169.254.169.254:${world.port}`,
      `${id}.evil.example:${world.port}`,
      `x.localhost:${world.port}`,
    ]) {
      const answer = await ask(world.port, `GET /compute/${id}/files`, {
        host: name,
        ...bearer(ann),
      })
      expect(answer.status, name).toBe(421)
    }
    expect(sidekick.seen).toEqual([])
  })
})

describe("a port's own host", () => {
  it('is entered once by ticket, and leaves nothing of it in the address', async () => {
    const own = world.portHost(id, 3000)
    const ticket = await world.ticket(ann, id, 'port:3000')
    const go = (query: string, more = {}) =>
      ask(world.port, `GET /.dormouse/enter?${query}`, { host: own, ...more })
    expect((await go(`ticket=${ticket}`, { 'sec-purpose': 'prefetch' })).status).toBe(400)
    const answer = await go(`ticket=${ticket}&to=/deep?x=1`)
    expect(answer.status).toBe(303)
    expect(answer.headers['location']).toBe('/deep?x=1')
    expect(answer.headers['set-cookie']).toMatch(
      /^dormouse_door=[^;]+; Path=\/; HttpOnly; SameSite=Lax; Max-Age=28800$/,
    )
    expect((await go(`ticket=${ticket}`)).status).toBe(401)
    expect((await go('')).status).toBe(401)
    expect((await ask(world.port, 'GET /.dormouse/other', { host: own })).status).toBe(404)
  })

  it('sends nobody elsewhere', async () => {
    const own = world.portHost(id, 3000)
    for (const to of [
      '//evil.example',
      '/\\evil.example',
      'https://evil.example',
      '%2F%2Fevil.example',
      'x',
    ]) {
      const ticket = await world.ticket(ann, id, 'port:3000')
      const answer = await ask(world.port, `GET /.dormouse/enter?ticket=${ticket}&to=${to}`, {
        host: own,
      })
      expect(answer.headers['location'], to).toBe('/')
    }
  })

  it('takes a cookie of this host alone, and no longer than the login lives', async () => {
    const own = world.portHost(id, 3000)
    const cookie = await enter(own)
    const get = (name: string) => ask(world.port, 'GET /', { host: name, cookie })
    expect((await get(own)).status).toBe(200)
    expect((await get(world.portHost(id, 3001))).status).toBe(401)
    expect((await get(world.portHost(asleep, 3000))).status).toBe(401)
    const asBearer = await ask(world.port, `GET /compute/${id}/files`, {
      host,
      authorization: `Bearer ${cookie.split('=')[1]}`,
    })
    expect(asBearer.status).toBe(401)
    await world.db
      .updateTable('refresh_tokens')
      .set({ revoked_at: new Date() })
      .where('family_id', '=', ann.sessionId)
      .execute()
    expect((await get(own)).status).toBe(401)
    await world.db
      .updateTable('refresh_tokens')
      .set({ revoked_at: null })
      .where('family_id', '=', ann.sessionId)
      .execute()
  })

  it('is open to whom its visibility says', async () => {
    const viewer = await world.person()
    await world.member(ann.groupId, viewer.userId, 'viewer')
    await world.openPort(ann, id, 4000, 'group')
    await world.openPort(ann, id, 4001, 'public')
    await new Promise((resolve) => setTimeout(resolve, 1_100))
    const get = async (port: number, headers: Record<string, string>) =>
      (await ask(world.port, 'GET /', { host: world.portHost(id, port), ...headers })).status
    const token = (person: Person) => ({ 'x-dormouse-token': person.token })
    expect([
      await get(3000, {}),
      await get(3000, token(viewer)),
      await get(3000, token(bob)),
      await get(3000, token(ann)),
    ]).toEqual([401, 403, 404, 200])
    expect([
      await get(4000, {}),
      await get(4000, token(viewer)),
      await get(4000, token(bob)),
    ]).toEqual([401, 200, 404])
    expect([
      await get(4001, {}),
      await get(4001, token(viewer)),
      await get(4001, token(bob)),
    ]).toEqual([200, 200, 200])
    const bySideDoor = await ask(world.port, `GET /compute/${id}/ports/4001/`, { host })
    expect(bySideDoor.status).toBe(401)
  })
})
