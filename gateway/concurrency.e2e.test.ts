import type { ServerResponse } from 'node:http'
import { connect, type Socket } from 'node:net'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest'
import { startEchoSidekick, type EchoSidekick } from './testing/echo-sidekick.ts'
import { ask, HANDSHAKE } from './testing/wire.ts'
import { makeWorld, type Person, type World } from './testing/world.ts'

let world: World
let sidekick: EchoSidekick
let ann: Person
let id: string
let other: string
const held: Socket[] = []
const answering: ServerResponse[] = []

beforeAll(async () => {
  world = await makeWorld({
    DORMOUSE_GATEWAY_PER_COMPUTE: '5',
    DORMOUSE_GATEWAY_ANYBODY_PER_COMPUTE: '3',
    DORMOUSE_GATEWAY_DRAIN_MS: '500',
  })
  await world.listen()
  sidekick = await startEchoSidekick()
  ann = await world.person()
  id = await world.compute(ann, { state: 'running', endpoint: sidekick.endpoint })
  other = await world.compute(ann, { state: 'running', endpoint: sidekick.endpoint })
  for (const computeId of [id, other]) await world.openPort(ann, computeId, 4000, 'public')
})
afterAll(async () => {
  await world?.close()
  await sidekick?.close()
})
beforeEach(() => {
  sidekick.seen.length = 0
})
afterEach(async () => {
  sidekick.respond(fine)
  for (const socket of held.splice(0)) socket.destroy()
  for (const response of answering.splice(0)) response.destroy()
  sidekick.dropAll()
  await vi.waitFor(async () => expect(await statuses(5, known())).toEqual(OK), WAIT)
})

const fine = (_request: unknown, response: ServerResponse) => void response.writeHead(200).end('ok')
const WAIT = { timeout: 10_000, interval: 100 }
const OK = [200, 200, 200, 200, 200]
const known = () => ({ 'x-dormouse-token': ann.token })
const get = (headers: Record<string, string> = {}, computeId = id) =>
  ask(world.port, 'GET /', { host: world.portHost(computeId, 4000), ...headers })
const statuses = async (times: number, headers: Record<string, string>) => {
  const answers = await Promise.all(Array.from({ length: times }, () => get(headers)))
  return answers.map(({ status }) => status)
}
/** Stays under way until the test ends; resolves once the sidekick has it. */
const hold = async (headers: Record<string, string> = {}) => {
  const before = sidekick.seen.length
  const lines = Object.entries({ host: world.portHost(id, 4000), ...headers })
  const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  const socket = connect(world.port, '127.0.0.1')
  held.push(socket)
  socket.on('error', () => {})
  socket.write(`GET / HTTP/1.1\r\n${head}\r\n`)
  socket.resume()
  await vi.waitFor(() => expect(sidekick.seen.length).toBe(before + 1), WAIT)
  return socket
}

it('so many sockets of anybody go on at one compute, and those who may use it still come in', async () => {
  for (let n = 0; n < 3; n++) await hold(HANDSHAKE)
  const refused = await get(HANDSHAKE)
  expect(refused.status).toBe(429)
  expect(JSON.parse(refused.body)).toMatchObject({ code: 'RateLimited', retry: true })
  expect(refused.headers['retry-after']).toBe('1')
  expect((await get()).status).toBe(429)
  expect((await get(known())).status).toBe(200)
  expect((await get({}, other)).status).toBe(200)
  held.pop()?.destroy()
  await vi.waitFor(async () => expect((await get()).status).toBe(200), WAIT)
})

it('requests count from before their answer until its end', async () => {
  sidekick.respond((_request, response) => void answering.push(response))
  for (let n = 0; n < 5; n++) await hold(known())
  expect((await get(known())).status).toBe(429)
  expect((await get(HANDSHAKE)).status).toBe(429)
  sidekick.respond(fine)
  expect((await get(known(), other)).status).toBe(200)
  answering.pop()?.writeHead(200).end('late')
  await vi.waitFor(async () => expect((await get(known())).status).toBe(200), WAIT)
})

it('looking for the lowest port counts too', async () => {
  sidekick.respond((_request, response) => void answering.push(response))
  for (let n = 0; n < 3; n++) await hold({ host: `${id}.localhost:${world.port}` })
  expect((await ask(world.port, 'GET /', { host: `${id}.localhost:${world.port}` })).status).toBe(
    429,
  )
})

it('a refused handshake counts until its answer is over', async () => {
  sidekick.onUpgrade((_request, socket) =>
    socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n'),
  )
  for (let n = 0; n < 3; n++) await hold(HANDSHAKE)
  expect((await get()).status).toBe(429)
})

it('a request that failed counts no more', async () => {
  sidekick.respond((request) => void request.socket.destroy())
  for (let n = 0; n < 12; n++) expect((await get(known())).status).toBe(503)
})
