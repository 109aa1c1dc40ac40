import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import WebSocket, { WebSocketServer } from 'ws'
import { startEchoSidekick, type EchoSidekick } from './testing/echo-sidekick.ts'
import { ask } from './testing/wire.ts'
import { makeWorld, type Person, type World } from './testing/world.ts'

let world: World
let sidekick: EchoSidekick
let ann: Person
let id: string

beforeAll(async () => {
  world = await makeWorld({
    DORMOUSE_GATEWAY_SOCKETS_PER_USER: '5',
    DORMOUSE_GATEWAY_DRAIN_MS: '1000',
  })
  await world.listen()
  sidekick = await startEchoSidekick()
  ann = await world.person()
  id = await world.compute(ann, { state: 'running', endpoint: sidekick.endpoint })
})
afterAll(async () => {
  await world?.close()
  await sidekick?.close()
})

const open = (person = ann, path = 'terminal'): Promise<WebSocket> => {
  const socket = new WebSocket(
    `ws://127.0.0.1:${world.port}/compute/${id}/${path}`,
    ['dormouse.terminal.v1'],
    {
      headers: { authorization: `Bearer ${person.token}` },
      perMessageDeflate: false,
    },
  )
  return new Promise((resolve, reject) => {
    socket.once('open', () => resolve(socket))
    socket.once('error', reject)
  })
}
const closed = (socket: WebSocket): Promise<{ code: number; reason: string; afterMs: number }> => {
  const startedAt = Date.now()
  return new Promise((resolve) =>
    socket.once('close', (code, reason) =>
      resolve({ code, reason: reason.toString(), afterMs: Date.now() - startedAt }),
    ),
  )
}
/** What the stand-in does with each new WebSocket from here on. */
const speak = (onConnection: (socket: WebSocket) => void) => {
  const server = new WebSocketServer({ noServer: true, perMessageDeflate: false })
  sidekick.onUpgrade((request, socket, head) =>
    server.handleUpgrade(request, socket, head, onConnection),
  )
}

describe('a socket through the gateway', () => {
  it('carries bytes both ways as they are', async () => {
    speak((peer) => peer.on('message', (data, binary) => peer.send(data, { binary })))
    const socket = await open()
    const big = Buffer.alloc(3 << 20, 7)
    const echoed = new Promise<Buffer>((resolve) =>
      socket.once('message', (data) => resolve(data as Buffer)),
    )
    socket.send(big)
    expect((await echoed).equals(big)).toBe(true)
    socket.close()
    await closed(socket)
  })

  it.each([
    [4410, 'hibernated'],
    [4408, 'slow'],
    [1000, 'bye'],
  ])('hands on close code %i of the sidekick', async (code, reason) => {
    speak((peer) => setTimeout(() => peer.close(code, reason), 50))
    const socket = await open()
    expect(await closed(socket)).toMatchObject({ code, reason })
  })

  it('ends within 5 s of the end of what let it in (S10)', async () => {
    speak(() => {})
    const member = await world.person()
    await world.member(ann.groupId, member.userId, 'member')
    const socket = await open(member)
    const stays = await open()
    await sleep(300)
    await world.db
      .deleteFrom('memberships')
      .where('user_id', '=', member.userId)
      .where('group_id', '=', ann.groupId)
      .execute()
    const end = await closed(socket)
    expect(end).toMatchObject({ code: 1008 })
    expect(end.afterMs).toBeLessThan(5_000)
    expect(stays.readyState).toBe(WebSocket.OPEN)
    stays.terminate()
  })

  it('ends within 5 s of the log-out, and so does a long answer', async () => {
    speak(() => {})
    const member = await world.person()
    await world.member(ann.groupId, member.userId, 'member')
    const socket = await open(member)
    sidekick.respond((_request, response) => void response.writeHead(200).write('first'))
    const long = ask(world.port, `GET /compute/${id}/commands/c1/output`, {
      host: `127.0.0.1:${world.port}`,
      authorization: `Bearer ${member.token}`,
    })
    await sleep(200)
    await world.db
      .updateTable('refresh_tokens')
      .set({ revoked_at: new Date() })
      .where('family_id', '=', member.sessionId)
      .execute()
    expect(await closed(socket)).toMatchObject({ code: 1008 })
    expect((await long).status).toBe(200)
    sidekick.respond((_request, response) => void response.writeHead(200).end('ok'))
  })

  it('ends when another generation takes over (rule 3)', async () => {
    speak(() => {})
    const socket = await open()
    await world.db.updateTable('computes').set({ generation: 2 }).where('id', '=', id).execute()
    expect(await closed(socket)).toMatchObject({ code: 1012 })
    await world.db.updateTable('computes').set({ generation: 1 }).where('id', '=', id).execute()
    await sleep(1_100)
  })

  it('is one of so many of its user, who is told', async () => {
    speak(() => {})
    // The gateway counts a socket until it has heard of its end.
    const free = () => vi.waitFor(() => open(), { timeout: 10_000, interval: 100 })
    const held = [await free(), await free(), await free(), await free(), await free()]
    try {
      await expect(open()).rejects.toThrow('429')
      held[0]?.terminate()
      held.push(await free())
    } finally {
      for (const socket of held) socket.terminate()
    }
    await sleep(200)
  })

  it('does not tear a message when it is closed in the middle of one', async () => {
    const message = Buffer.alloc(8 << 20, 3)
    speak((peer) => peer.send(message))
    const socket = await open()
    const messages: Buffer[] = []
    socket.on('message', (data) => messages.push(data as Buffer))
    socket.on('error', () => messages.push(Buffer.from('torn')))
    const end = closed(socket)
    const drained = world.gateway.drain()
    expect(await end).toMatchObject({ code: 1012 })
    expect(messages.every((got) => got.equals(message))).toBe(true)
    await drained
  })
})
