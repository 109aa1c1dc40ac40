import { createServer, type Server } from 'node:http'
import { connect as dial } from 'node:net'
import { connect } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { WebSocket } from 'ws'
import type { ActivityStatus, PortInfo } from '../protocol.ts'
import { StartedSidekick } from '../testing/sidekick.ts'

/** A user's server: echoes what it was sent, streams events, speaks WebSocket by hand. */
const APP = String.raw`
import { createServer } from 'node:http'
import { createHash } from 'node:crypto'
const server = createServer((request, response) => {
  if (request.url === '/events') {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write('data: 1\n\n')
    setTimeout(() => response.end('data: 2\n\n'), 1000)
    return
  }
  if (request.url === '/who') return response.end(String(request.socket.remotePort))
  if (request.url === '/odd-words') return request.socket.end('HTTP/1.1 200 a\x01b\r\ncontent-length: 2\r\n\r\nok')
  if (request.url === '/switches') return request.socket.end('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n')
  if (request.url === '/one-each') {
    if (request.socket.used) return request.socket.destroy()
    request.socket.used = true
    return response.end('fresh')
  }
  if (request.url === '/who-then-end') return response.end(String(request.socket.remotePort), () => setTimeout(() => request.socket.destroy(), 20))
  if (request.url === '/out-of-turn') {
    setTimeout(() => request.socket.write('HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\npoisoned'), 20)
    return response.end(String(request.socket.remotePort))
  }
  if (request.url === '/cookies') {
    response.writeHead(201, 'Made It', { 'set-cookie': ['a=1', 'b=2'], connection: 'x-hop', 'x-hop': 'gone' })
    return response.end()
  }
  let size = 0, text = ''
  request.on('data', (bytes) => { size += bytes.length; if (size < 1000) text += bytes })
  request.on('end', () => response.end(JSON.stringify({ method: request.method, url: request.url, headers: request.headers, size, text })))
})
server.on('upgrade', (request, socket, head) => {
  if (request.url === '/no-socket') return socket.end('HTTP/1.1 403 No\r\ncontent-length: 4\r\n\r\nnope')
  const accept = createHash('sha1').update(request.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest('base64')
  socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ' + accept + '\r\n\r\n')
  socket.write(Buffer.concat([Buffer.from([0x81, 5]), Buffer.from('hello')]))
  socket.on('data', (bytes) => { // unmasks one short frame and says it back
    if ((bytes[0] & 15) === 9) return socket.write(Buffer.from([0x8a, 0]))
    const length = bytes[1] & 127, mask = bytes.subarray(2, 6)
    const payload = Buffer.from(bytes.subarray(6, 6 + length).map((byte, i) => byte ^ mask[i % 4]))
    socket.write(Buffer.concat([Buffer.from([0x81, length]), payload]))
  })
})
const [, , port, host, kind] = process.argv
server.listen({ port: Number(port), host, ipv6Only: kind === 'ipv6Only' }, () => console.log(server.address().port))
`

let sidekick: StartedSidekick
let port: number
let port6: number
/** Listens on this machine and not in the compute. */
let foreign: Server
beforeAll(async () => {
  sidekick = await StartedSidekick.open()
  await sidekick.ask('/v1/files/content?path=app.mjs', { method: 'PUT', body: APP })
  port = await startApp('127.0.0.1')
  port6 = await startApp('::1')
  foreign = createServer((_request, response) => response.end('the machine'))
  await new Promise<void>((done) => foreign.listen(0, '127.0.0.1', done))
})
afterAll(async () => {
  foreign?.close()
  await sidekick?.stop()
})

const run = async (host: string, at = '0', kind = ''): Promise<string> => {
  const command = [process.execPath, 'app.mjs', at, host, kind]
  return (await sidekick.post('/v1/commands', { command })).json<{ id: string }>().id
}
const connects = (host: string, at: number): Promise<boolean> =>
  new Promise((done) => {
    const socket = dial(at, host, () => done(true)).on('error', () => done(false))
    socket.on('connect', () => socket.destroy())
  })
const startApp = async (host: string): Promise<number> => {
  const id = await run(host)
  for (;;) {
    const listed = (await sidekick.ask('/v1/ports')).json<PortInfo[]>()
    const info = (await sidekick.ask(`/v1/commands/${id}`)).json<{ pid: number; exit?: unknown }>()
    if (info.exit) throw new Error('the app ended')
    const found = listed.find(({ pid }) => pid === info.pid)
    if (found) return found.port
    await new Promise((done) => setTimeout(done, 50))
  }
}
const echo = async (path: string, more: Parameters<StartedSidekick['ask']>[1] = {}) =>
  (await sidekick.ask(`/v1/ports/${port}${path}`, more)).json<{
    method: string
    url: string
    headers: Record<string, string>
    size: number
    text: string
  }>()
const message = (socket: WebSocket) =>
  new Promise<string>((done) => socket.once('message', (data: Buffer) => done(data.toString())))

describe('ports', () => {
  it('are listed with the process that listens, and nobody else’s', async () => {
    const listed = (await sidekick.ask('/v1/ports')).json<PortInfo[]>()
    expect(listed.find((one) => one.port === port)).toMatchObject({ pid: expect.any(Number) })
    const address = foreign.address() as { port: number }
    expect(listed.some((one) => one.port === address.port)).toBe(false)
    const answer = await sidekick.ask(`/v1/ports/${address.port}/`)
    expect([answer.status, answer.text]).toEqual([502, expect.stringContaining('no_listener')])
  })

  it('never lead to a service of the machine that has the same port on another address', async () => {
    const { port: taken } = foreign.address() as { port: number }
    const answer = async () => (await sidekick.ask(`/v1/ports/${taken}/who`)).text
    const other = await run('127.0.0.2', String(taken))
    await expect.poll(() => connects('127.0.0.2', taken), { timeout: 10_000 }).toBe(true)
    expect(await answer()).toContain('no_listener')
    const six = await run('::', String(taken), 'ipv6Only')
    await expect.poll(answer, { timeout: 10_000 }).toMatch(/^\d+$/)
    for (const id of [other, six])
      await sidekick.post(`/v1/commands/${id}/signal`, { signal: 'SIGKILL' })
  })

  it('pass a request through byte for byte: method, path, query, body', async () => {
    const seen = await echo('/a%2Fb/../c?x=%20y&z', { method: 'PATCH', body: 'body' })
    expect(seen).toMatchObject({ method: 'PATCH', url: '/a%2Fb/../c?x=%20y&z', text: 'body' })
    expect((await echo('')).url).toBe('/')
    const chunked = await echo('/', { method: 'POST', body: Buffer.alloc(5_000_000) })
    expect(chunked.size).toBe(5_000_000)
  })

  it('keep our ticket back and restore the caller’s own Authorization', async () => {
    const without = await echo('/')
    expect(without.headers['authorization']).toBeUndefined()
    const own = await echo('/', { headers: { 'x-dormouse-forward-authorization': 'Basic abc' } })
    expect(own.headers['authorization']).toBe('Basic abc')
    expect(own.headers['x-dormouse-forward-authorization']).toBeUndefined()
  })

  it('pass status, repeated headers, and no hop-by-hop header', async () => {
    const answer = await sidekick.ask(`/v1/ports/${port}/cookies`)
    expect(answer.status).toBe(201)
    expect(answer.headers['set-cookie']).toEqual(['a=1', 'b=2'])
    expect(answer.headers['x-hop']).toBeUndefined()
  })

  it('keep connections for what may be sent twice, and for nothing else', async () => {
    const connectionOf = async (path: string, method = 'GET') =>
      (await sidekick.ask(`/v1/ports/${port}${path}`, { method })).text
    const first = await connectionOf('/who')
    expect(await connectionOf('/who')).toBe(first)
    const own = [await connectionOf('/who', 'POST'), await connectionOf('/who', 'POST')]
    expect(new Set([first, ...own]).size).toBe(3)
    for (const path of ['/who-then-end', '/out-of-turn']) {
      const gone = await connectionOf(path)
      await new Promise((done) => setTimeout(done, 100))
      expect(await connectionOf('/who')).toMatch(/^\d+$/)
      expect(await connectionOf('/who')).not.toBe(gone)
    }
    for (let n = 0; n < 3; n++) expect(await connectionOf('/one-each')).toBe('fresh')
  })

  it('do not wait for, or stumble over, a server that answers against the rules', async () => {
    const odd = await sidekick.ask(`/v1/ports/${port}/odd-words`)
    expect([odd.status, odd.text]).toEqual([200, 'ok'])
    const switched = await sidekick.ask(`/v1/ports/${port}/switches`)
    expect([switched.status, switched.text]).toEqual([502, expect.stringContaining('broke off')])
  })

  it('stream: the first event is there before the last is made', async () => {
    const socket = connect({ path: sidekick.socket, rejectUnauthorized: false })
    const ticket = await sidekick.ticket('use')
    const times: Record<string, number> = {}
    let text = ''
    socket.on('data', (bytes: Buffer) => {
      text += bytes.toString()
      for (const mark of ['data: 1', 'data: 2'])
        if (text.includes(mark)) times[mark] ??= performance.now()
    })
    socket.write(
      `GET http://evil.example/v1/ports/${port}/events HTTP/1.1\r\nhost: evil.example\r\n` +
        `authorization: Bearer ${ticket}\r\nconnection: close\r\n\r\n`,
    )
    await new Promise((done) => socket.once('close', done))
    expect(times['data: 2']! - times['data: 1']!).toBeGreaterThan(150)
  })

  it('carry WebSockets both ways, and a refusal of one', async () => {
    const socket = await sidekick.webSocket(`/v1/ports/${port}/ws`)
    expect(await message(socket)).toBe('hello')
    socket.send('ping-pong')
    expect(await message(socket)).toBe('ping-pong')
    socket.terminate()
    const refused = await sidekick.webSocket(`/v1/ports/${port}/no-socket`)
    const status = await new Promise((done) => {
      refused.on('error', () => {})
      refused.on('unexpected-response', (_request, response) => done(response.statusCode))
    })
    expect(status).toBe(403)
  })

  it('count requests and data frames as activity, and pings and open sockets not', async () => {
    const idle = async () => (await sidekick.ask('/v1/activity')).json<ActivityStatus>()
    const quiet = await StartedSidekick.open()
    await quiet.ask('/v1/files/content?path=app.mjs', { method: 'PUT', body: APP })
    const terminal = await quiet.webSocket('/v1/terminal?id=t', ['dormouse.terminal.v1'])
    await new Promise((done) => terminal.once('open', done))
    const head = Buffer.alloc(9)
    head[0] = 0x10
    head[8] = 1
    terminal.send(Buffer.concat([head, Buffer.from(`${process.execPath} app.mjs 0 127.0.0.1\n`)]))
    let served: number | undefined
    while (!served) {
      await new Promise((done) => setTimeout(done, 50))
      served = (await quiet.ask('/v1/ports')).json<PortInfo[]>()[0]?.port
    }
    terminal.terminate()
    const socket = await quiet.webSocket(`/v1/ports/${served}/ws`)
    await message(socket)
    await new Promise((done) => setTimeout(done, 400))
    const status = async () => (await quiet.ask('/v1/activity')).json<ActivityStatus>()
    const before = (await status()).idleForMs
    expect(before).toBeGreaterThan(300)
    socket.ping()
    await new Promise((done) => socket.once('pong', done))
    expect((await status()).idleForMs).toBeGreaterThan(before)
    socket.send('data')
    await message(socket)
    expect(await status()).toMatchObject({ reason: `port:${served}` })
    expect((await status()).idleForMs).toBeLessThan(before)
    // With a background command it is never idle.
    expect((await idle()).idleForMs).toBe(0)
    const closed = new Promise((done) => socket.once('close', done))
    await quiet.post('/v1/retire', {}, 'control')
    expect(await closed).toBe(4410)
    await quiet.stop()
  })

  it('reach a server on ::1 alone', async () => {
    expect((await sidekick.ask(`/v1/ports/${port6}/six`)).json()).toMatchObject({ url: '/six' })
  })

  it('are whole numbers from 1 to 65535 and nothing else', async () => {
    for (const bad of [
      '0',
      '65536',
      '080',
      '-1',
      '+80',
      '1e3',
      '0x50',
      '80.0',
      'localhost',
      '%31',
      '80:90',
      '127.0.0.1:80',
    ])
      expect([bad, (await sidekick.ask(`/v1/ports/${bad}/`)).status]).toEqual([
        bad,
        bad === '%31' ? 502 : 422,
      ])
  })
})

describe('on TCP', () => {
  it('the sidekick’s own port is refused', async () => {
    const free = await new Promise<number>((done) => {
      const probe = createServer().listen(0, '127.0.0.1', () => {
        const { port: found } = probe.address() as { port: number }
        probe.close(() => done(found))
      })
    })
    const tcp = await StartedSidekick.open({ port: free })
    const answer = await tcp.ask(`/v1/ports/${free}/v1/hello`)
    expect([answer.status, answer.json()['code']]).toEqual([403, 'forbidden'])
    await tcp.stop()
  })
})
