import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import WebSocket from 'ws'
import { newId } from '../records/ids.ts'
import { startRealSidekick, type RealSidekick } from './testing/real-sidekick.ts'
import { ask } from './testing/wire.ts'
import { freePort, makeWorld, type Person, type World } from './testing/world.ts'

let world: World
let sidekick: RealSidekick
let ann: Person
let id: string
let appPort: number
let own: string

/** Says back everything it was sent; over WebSocket its handshake. */
const ECHO = `
const http = require('node:http')
const all = (q) => q.method + ' ' + q.url + '\\n' + q.rawHeaders.join('\\n')
http.createServer((q, s) => s.end(all(q))).on('upgrade', (q, socket) => {
  const accept = require('node:crypto').createHash('sha1').update(q.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest('base64')
  const protocol = (q.headers['sec-websocket-protocol'] || '').split(',')[0]
  socket.write('HTTP/1.1 101 x\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\nSec-WebSocket-Accept: ' + accept + (protocol ? '\\r\\nSec-WebSocket-Protocol: ' + protocol : '') + '\\r\\n\\r\\n')
  const text = Buffer.from(all(q)), head = Buffer.from([0x81, 126, text.length >> 8, text.length & 255])
  socket.write(Buffer.concat([head, text]))
}).listen(Number(process.argv[1]), '127.0.0.1')
`

beforeAll(async () => {
  world = await makeWorld()
  await world.listen()
  ann = await world.person()
  id = newId()
  sidekick = await startRealSidekick(world.keys, id)
  await world.compute(ann, { id, state: 'running', endpoint: sidekick.endpoint })
  appPort = await freePort()
  own = world.portHost(id, appPort)
  const started = await post('commands', {
    command: [process.execPath, '-e', ECHO, String(appPort)],
  })
  expect(started.status).toBe(201)
  const deadline = Date.now() + 20_000
  while (!(await (await call('ports')).text()).includes(String(appPort)) && Date.now() < deadline);
})
afterAll(async () => {
  await sidekick?.close()
  await world?.close()
})

const call = (path: string, init: RequestInit = {}) =>
  fetch(`${world.origin}/compute/${id}/${path}`, {
    ...init,
    headers: { authorization: `Bearer ${ann.token}`, ...init.headers },
  })
const post = (path: string, body: object) =>
  call(path, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
  })

describe('a server inside a compute', () => {
  it('sees no credential of the caller, of the gateway or of the sidekick (S4)', async () => {
    const key = await world.apiKey(ann)
    const entered = await ask(
      world.port,
      `GET /.dormouse/enter?ticket=${await world.ticket(ann, id, `port:${appPort}`)}`,
      { host: own },
    )
    const cookie = (entered.headers['set-cookie'] ?? '').split(';', 1)[0] ?? ''
    const seen = [
      (await ask(world.port, 'GET /a', { host: own, cookie: `theirs=1; ${cookie}` })).body,
      (
        await ask(world.port, 'GET /b', {
          host: own,
          'x-dormouse-token': key,
          authorization: 'Bearer their-own',
        })
      ).body,
      (await ask(world.port, 'GET /c', { host: own, authorization: `Bearer ${key}` })).body,
      await (await call(`ports/${appPort}/d`)).text(),
      await overSocket(
        `ws://127.0.0.1:${world.port}/`,
        { host: own, cookie, origin: `http://${own}` },
        ['theirs'],
      ),
    ]
    const ticket = await world.ticket(ann, id, `port:${appPort}`)
    seen.push(
      await overSocket(
        `ws://127.0.0.1:${world.port}/compute/${id}/ports/${appPort}/e`,
        { origin: world.config.apiOrigin },
        [`ticket.${ticket}`],
      ),
    )
    for (const [index, text] of seen.entries()) {
      expect(text, String(index)).toMatch(/^GET \//)
      for (const secret of [
        key,
        ann.token,
        ticket,
        cookie.split('=')[1] ?? '?',
        'dormouse_',
        'dmt_',
        'eyJ',
        'x-dormouse',
      ])
        expect(text.toLowerCase(), `${index} ${secret}`).not.toContain(secret.toLowerCase())
    }
    expect(seen[0]).toContain('theirs=1')
    expect(seen[1]).toContain('Bearer their-own')
    expect(seen[4]).toContain('theirs')
  })

  it('answers on the host of its compute too, while it is the lowest port', async () => {
    const host = `${id}.localhost:${world.port}`
    expect((await ask(world.port, 'GET /x', { host })).status).toBe(401)
    const answer = await ask(world.port, 'GET /x', { host, 'x-dormouse-token': ann.token })
    expect(answer.status).toBe(200)
    expect(answer.body).toMatch(/^GET \/x\n/)
  })

  it('that is not there is a page for people and JSON for programs', async () => {
    const host = world.portHost(id, 1)
    const program = await ask(world.port, 'GET /', { host, 'x-dormouse-token': ann.token })
    expect(program.status).toBe(502)
    expect(JSON.parse(program.body)).toMatchObject({ code: 'no_listener' })
    const person = await ask(world.port, 'GET /', {
      host,
      'x-dormouse-token': ann.token,
      accept: 'text/html',
    })
    expect(person.status).toBe(502)
    expect(person.body).toContain('Nothing listens here yet')
  })
})

describe('the routes of a compute', () => {
  it('carry files byte for byte, and commands as they go', async () => {
    const bytes = Buffer.alloc(3 << 20, 'dormouse')
    const put = await call('files/content?path=a.bin', { method: 'PUT', body: bytes })
    expect(put.status).toBe(200)
    const got = Buffer.from(await (await call('files/content?path=a.bin')).arrayBuffer())
    expect(got.equals(bytes)).toBe(true)
    const range = await call('files/content?path=a.bin', { headers: { range: 'bytes=8-15' } })
    expect([range.status, await range.text()]).toEqual([206, 'dormouse'])
    const run = await post('exec', { command: 'echo out; exit 3' })
    expect(await run.text()).toMatch(/"exitCode":3/)
  })

  it('end a command whose caller went away', async () => {
    const gone = new AbortController()
    const run = await call('exec', {
      method: 'POST',
      body: JSON.stringify({ command: 'echo $$; sleep 60' }),
      headers: { 'content-type': 'application/json' },
      signal: gone.signal,
    })
    const first = await run.body?.getReader().read()
    expect(first?.value?.length).toBeGreaterThan(0)
    gone.abort()
    const deadline = Date.now() + 5_000
    let left = 1
    while (left > 0 && Date.now() < deadline) {
      const list = (await (await call('commands')).json()) as { command: string; exit?: object }[]
      left = list.filter(({ command, exit }) => command.includes('sleep 60') && !exit).length
    }
    expect(left).toBe(0)
  })
})

const overSocket = (
  url: string,
  headers: Record<string, string>,
  protocols: string[],
): Promise<string> => {
  const { origin, ...rest } = headers
  const socket = new WebSocket(url, protocols, {
    headers: rest,
    ...(origin ? { origin } : {}),
    perMessageDeflate: false,
  })
  return new Promise((resolve, reject) => {
    socket.once('error', reject)
    socket.once('message', (data: Buffer) => {
      resolve(data.toString())
      socket.terminate()
    })
  })
}
