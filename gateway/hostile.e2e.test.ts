import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { startGatewayProcess, type GatewayProcess } from './testing/gateway-process.ts'
import { sayAndBreak, startHostileSidekick } from './testing/hostile-sidekick.ts'
import { ask, HANDSHAKE } from './testing/wire.ts'
import { makeWorld, type World } from './testing/world.ts'

let world: World
let gateway: GatewayProcess
let sidekick: Awaited<ReturnType<typeof startHostileSidekick>>
let host: string
let own: string
let compute: string
let authorization: string

beforeAll(async () => {
  world = await makeWorld()
  gateway = await startGatewayProcess(world.gatewayEnv)
  sidekick = await startHostileSidekick()
  const ann = await world.person()
  const id = await world.compute(ann, { state: 'running', endpoint: sidekick.endpoint })
  host = `127.0.0.1:${world.port}`
  own = world.portHost(id, 3000)
  compute = `${id}.localhost:${world.port}`
  authorization = `Bearer ${ann.token}`
})
afterAll(async () => {
  await gateway?.close()
  await sidekick?.close()
  await world?.close()
})
// Each test leaves a process that serves; one that ended is started again for the next.
afterEach(async () => {
  await sleep(200)
  const alive = await fetch(`http://${host}/healthz`).catch(() => undefined)
  if (alive === undefined) await gateway.start()
  expect(alive?.status, 'the gateway process is gone').toBe(200)
})

const get = (headers: Record<string, string> = {}) =>
  ask(world.port, 'GET /', { host: own, 'x-dormouse-token': authorization.slice(7), ...headers })

describe('whatever a sidekick answers, the gateway serves on', () => {
  it('a reason phrase that HTTP does not know is not handed on', async () => {
    sidekick.behave((connection) =>
      connection.write('HTTP/1.1 200 a\x01b\r\nContent-Length: 2\r\n\r\nok'),
    )
    const answer = await get()
    expect(answer.head.split('\r\n', 1)).toEqual(['HTTP/1.1 200 OK'])
    expect(answer.body).toBe('ok')
    const socket = await get({ ...HANDSHAKE, connection: 'upgrade' })
    expect(socket.head.split('\r\n', 1)).toEqual(['HTTP/1.1 200 OK'])
  })

  it.each(['000', '099', '101'])('status %s is no answer', async (status) => {
    sidekick.behave((connection) =>
      connection.write(`HTTP/1.1 ${status} Odd\r\nContent-Length: 2\r\n\r\nok`),
    )
    expect((await get()).status).toBe(503)
    expect((await get(HANDSHAKE)).status).toBe(503)
  })

  it('a switch of protocols nobody asked for is refused', async () => {
    sidekick.behave(
      sayAndBreak('HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\n'),
    )
    expect((await get()).status).toBe(503)
  })

  it('a WebSocket that breaks at once is closed', async () => {
    sidekick.behave(
      sayAndBreak('HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'),
    )
    expect((await get(HANDSHAKE)).status).toBe(101)
  })

  it('an answer that breaks while the request is still being sent is cut', async () => {
    sidekick.behave(
      sayAndBreak('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\nno length'),
    )
    const answer = await ask(
      world.port,
      'POST /',
      { host: own, 'x-dormouse-token': authorization.slice(7), 'content-length': '10000000' },
      'x'.repeat(5_000_000),
    )
    expect([200, 503]).toContain(answer.status)
  })

  it('a list of ports without end is not kept in memory', async () => {
    const before = await gateway.residentBytes()
    sidekick.behave((connection) => {
      const megabyte = Buffer.alloc(1 << 20, ' ')
      const more = () => {
        while (connection.writable && connection.write(megabyte));
      }
      connection.on('drain', more)
      connection.write('HTTP/1.1 200 OK\r\nContent-Length: 9000000000\r\n\r\n[')
      more()
    })
    const startedAt = Date.now()
    const asking = ask(world.port, 'GET /', {
      host: compute,
      'x-dormouse-token': authorization.slice(7),
    })
    let most = 0
    const answered = asking.then((answer) => answer.status)
    while (!(await Promise.race([answered.then(() => true), sleep(50).then(() => false)])))
      most = Math.max(most, await gateway.residentBytes())
    expect(await answered).toBe(503)
    expect(Date.now() - startedAt).toBeLessThan(4_000)
    expect(most - before).toBeLessThan(100 << 20)
  })
})
