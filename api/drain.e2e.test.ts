import { once } from 'node:events'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { AppDeps } from './deps.ts'
import { startHarness, type Harness } from './testing/harness.ts'

const CLOSES_WITHIN_MS = 3_000

/** Clients that keep their connections for as long as they may, as browsers and proxies do. */
describe('an API that closes', () => {
  let api: Harness
  let token: string
  let sockets: Socket[]
  let walls: AppDeps['walls']
  beforeEach(async () => {
    walls = async () => []
    api = await startHarness({ deps: { walls: () => walls() } })
    token = (await api.person('ann')).token
    await api.app.listen({ port: 0, host: '127.0.0.1' })
    sockets = []
  })
  afterEach(async () => {
    sockets.forEach((socket) => socket.destroy())
    await api.stop()
  })

  const dial = async (): Promise<Socket> => {
    const { port } = api.app.server.address() as AddressInfo
    const socket = connect(port, '127.0.0.1')
    sockets.push(socket)
    await once(socket, 'connect')
    return socket
  }
  const ask = async (path: string, accept: string) => {
    const socket = await dial()
    const got = { text: '', ended: once(socket, 'close').then(() => true) }
    socket.setEncoding('utf8').on('data', (text: string) => (got.text += text))
    const head = [`GET ${path} HTTP/1.1`, `Host: 127.0.0.1:8080`, `Authorization: Bearer ${token}`]
    socket.write([...head, `Accept: ${accept}`, '', ''].join('\r\n'))
    return got
  }
  const closed = () =>
    Promise.race([api.app.close().then(() => 'closed'), sleep(CLOSES_WITHIN_MS, 'still open')])

  it('ends event streams at once and waits for none of them', async () => {
    const streams = await Promise.all([1, 2, 3].map(() => ask('/api/events', 'text/event-stream')))
    for (const stream of streams) await expect.poll(() => stream.text).toContain('retry: 1000')
    expect(await closed()).toBe('closed')
    for (const stream of streams) {
      expect(await stream.ended).toBe(true)
      // Whole to its last chunk: the client follows again from the last id, and of no broken one.
      expect(stream.text.endsWith('0\r\n\r\n')).toBe(true)
    }
  })

  it('ends those that just then ask the database, too', async () => {
    const stream = await ask('/api/events', 'text/event-stream')
    await expect.poll(() => stream.text).toContain('retry: 1000')
    let goOn: () => void = () => undefined
    const held = new Promise<void>((resolve) => (goOn = resolve))
    const holding = api.db.transaction().execute(async (tx) => {
      await sql`lock table events in access exclusive mode`.execute(tx)
      await held
    })
    const waiting = async () => {
      const { rows } = await sql<{ n: number }>`
        select count(*)::int as n from pg_stat_activity where wait_event_type = 'Lock'
          and datname = current_database()`.execute(api.db)
      return rows[0]?.n
    }
    await expect.poll(waiting, { timeout: 10_000 }).toBe(1)
    const closing = closed()
    await sleep(200)
    goOn()
    await holding
    expect(await closing).toBe('closed')
    expect(await stream.ended).toBe(true)
  })

  it('answers what is under way, whole, and keeps no connection after it', async () => {
    let wasAsked = false
    let goOn: () => void = () => undefined
    const held = new Promise<void>((resolve) => (goOn = resolve))
    walls = async () => {
      wasAsked = true
      await held
      return []
    }
    const answer = await ask('/readyz', 'application/json')
    await expect.poll(() => wasAsked).toBe(true)
    const closing = closed()
    await sleep(200)
    goOn()
    expect(await closing).toBe('closed')
    expect(await answer.ended).toBe(true)
    expect(answer.text).toMatch(/^HTTP\/1.1 200 [^]*"status":"ready"[^]*}$/)
  })

  it('waits for no connection that was opened ahead and never asked anything', async () => {
    const socket = await dial()
    const ended = once(socket, 'close').then(() => true)
    // The server may hear of it a moment later.
    await sleep(100)
    expect(await closed()).toBe('closed')
    expect(await ended).toBe(true)
  })
})
