import { sql } from 'kysely'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { revokeSession } from '../../auth/refresh.ts'
import { appendEvent } from '../../records/events.ts'
import { latch } from '../../test/support/latch.ts'
import { startHarness, type Harness, type Person } from '../testing/harness.ts'

let api: Harness
let ann: Person
let origin: string
beforeAll(async () => {
  api = await startHarness()
  ann = await api.person('ann')
  await api.app.listen({ port: 0, host: '127.0.0.1' })
  origin = `http://127.0.0.1:${(api.app.server.address() as AddressInfo).port}`
})
afterAll(() => api.stop())

interface Live {
  readonly ids: string[]
  readonly types: string[]
  readonly ended: Promise<void>
  stop(): void
}

const follow = async (
  path: string,
  options: { token?: string; after?: string } = {},
): Promise<Live> => {
  const abort = new AbortController()
  const response = await fetch(origin + path, {
    signal: abort.signal,
    headers: {
      accept: 'text/event-stream',
      authorization: `Bearer ${options.token ?? ann.token}`,
      ...(options.after === undefined ? {} : { 'last-event-id': options.after }),
    },
  })
  expect(response.status).toBe(200)
  expect(response.headers.get('content-type')).toContain('text/event-stream')
  const live = { ids: [] as string[], types: [] as string[] }
  const read = async () => {
    let text = ''
    const decoder = new TextDecoder()
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      text += decoder.decode(chunk, { stream: true })
      const blocks = text.split('\n\n')
      text = blocks.pop() ?? ''
      for (const block of blocks) {
        const id = /^id: (.*)$/m.exec(block)?.[1]
        const data = /^data: (.*)$/m.exec(block)?.[1]
        if (id === undefined || data === undefined) continue
        live.ids.push(id)
        live.types.push((JSON.parse(data) as { type: string }).type)
      }
    }
  }
  return { ...live, ended: read().catch(() => {}), stop: () => abort.abort() }
}
const note = (type: string, db: Parameters<typeof appendEvent>[0] = api.db, computeId?: string) =>
  appendEvent(db, {
    groupId: ann.groupId,
    type,
    actor: 'test',
    ...(computeId === undefined ? {} : { computeId }),
  })

describe('events', () => {
  it('come live within a moment, and a stream taken up again misses and repeats none', async () => {
    const first = await follow('/api/events')
    await note('a1')
    const start = Date.now()
    await vi.waitFor(() => expect(first.types).toContain('a1'))
    expect(Date.now() - start).toBeLessThan(1_000)
    first.stop()
    await first.ended
    await note('a2')
    await note('a3')
    const second = await follow('/api/events', { after: first.ids.at(-1)! })
    await vi.waitFor(() => expect(second.types).toEqual(['a2', 'a3']), 10_000)
    second.stop()
  })

  it('of a transaction that commits late are not passed by the cursor', async () => {
    const live = await follow('/api/events')
    const commit = latch()
    const late = api.db.transaction().execute(async (tx) => {
      await note('late', tx)
      await commit.opened
    })
    await vi.waitFor(async () => {
      const { rows } = await sql<{ n: number }>`
        select count(*)::int as n from pg_stat_activity where state = 'idle in transaction'
          and datname = current_database()`.execute(api.db)
      expect(rows[0]!.n).toBeGreaterThan(0)
    }, 10_000)
    await note('early')
    await new Promise((wait) => setTimeout(wait, 300))
    expect(live.types).not.toContain('early')
    const page = await api.send('GET', '/api/events?limit=1000', ann.token)
    expect(page.body.items.map(({ type }: { type: string }) => type)).not.toContain('early')
    commit.open()
    await late
    await vi.waitFor(() => expect(live.types).toContain('early'), 10_000)
    expect(live.types.filter((type) => type === 'late' || type === 'early').sort()).toEqual([
      'early',
      'late',
    ])
    const rest = await api.send('GET', `/api/events?after=${live.ids.at(-1)}`, ann.token)
    expect(rest.body.items).toEqual([])
    live.stop()
  })

  it('page by page are the same as all at once', async () => {
    const all = (await api.send('GET', '/api/events?limit=1000', ann.token)).body.items
    const paged: unknown[] = []
    let cursor: string | null = null
    do {
      const page = await api.send(
        'GET',
        `/api/events?limit=2${cursor === null ? '' : `&cursor=${cursor}`}`,
        ann.token,
      )
      paged.push(...page.body.items)
      cursor = page.body.next_cursor
    } while (cursor !== null)
    expect(paged).toEqual(all)
  })

  it('of one compute hold nothing of others, and nobody else sees any', async () => {
    const { body } = await api.send('POST', '/api/computes', ann.token, {})
    const live = await follow(`/api/computes/${body.id}/events`)
    const first = ['compute.requested', 'compute.running']
    await vi.waitFor(() => expect(live.types).toEqual(first), 10_000)
    await note('elsewhere')
    await note('here', api.db, body.id)
    await vi.waitFor(() => expect(live.types.at(-1)).toBe('here'), 10_000)
    expect(live.types).not.toContain('elsewhere')
    live.stop()
    const bob = await api.person('bob')
    expect((await api.send('GET', `/api/computes/${body.id}/events`, bob.token)).status).toBe(404)
    expect((await api.send('GET', '/api/events', bob.token)).body.items).toEqual([])
  })

  it('end for whoever is logged out', async () => {
    const eve = await api.person('eve')
    const live = await follow('/api/events', { token: eve.token })
    await revokeSession(api.db, eve.sessionId)
    await Promise.race([
      live.ended,
      new Promise((_resolve, reject) => setTimeout(() => reject(new Error('still open')), 5_000)),
    ])
  })

  it('end when the API closes', async () => {
    const other = await startHarness()
    const cid = await other.person('cid')
    await other.app.listen({ port: 0, host: '127.0.0.1' })
    const address = other.app.server.address() as AddressInfo
    const response = await fetch(`http://127.0.0.1:${address.port}/api/events`, {
      headers: { accept: 'text/event-stream', authorization: `Bearer ${cid.token}` },
    })
    const text = response.text()
    await new Promise((wait) => setTimeout(wait, 100))
    await other.stop()
    expect(await text).toContain('retry: 1000')
  })
})

it('streams of one user are counted, and a place is free again when one ends', async () => {
  const small = await startHarness({ env: { DORMOUSE_EVENT_STREAMS_PER_USER: '2' } })
  const [one, two] = [await small.person('one'), await small.person('two')]
  await small.app.listen({ port: 0, host: '127.0.0.1' })
  const url = `http://127.0.0.1:${(small.app.server.address() as AddressInfo).port}/api/events`
  const opened: AbortController[] = []
  const open = async (who: Person) => {
    const abort = new AbortController()
    opened.push(abort)
    const answer = await fetch(url, {
      signal: abort.signal,
      headers: { accept: 'text/event-stream', authorization: `Bearer ${who.token}` },
    })
    return { status: answer.status, close: () => abort.abort() }
  }
  const [first, second, third] = [await open(one), await open(one), await open(one)] as const
  expect([first.status, second.status, third.status]).toEqual([200, 200, 429])
  const other = await open(two)
  expect(other.status).toBe(200)
  first.close()
  await vi.waitFor(async () => expect((await open(one)).status).toBe(200), 10_000)
  opened.forEach((abort) => abort.abort())
  small.app.server.closeAllConnections()
  await small.stop()
})

it('who left before the stream began holds no place', async () => {
  const small = await startHarness({ env: { DORMOUSE_EVENT_STREAMS_PER_USER: '1' } })
  const who = await small.person('who')
  await small.app.listen({ port: 0, host: '127.0.0.1' })
  const url = `http://127.0.0.1:${(small.app.server.address() as AddressInfo).port}/api/events`
  const headers = { accept: 'text/event-stream', authorization: `Bearer ${who.token}` }
  small.app.server.once('request', (request: IncomingMessage) => request.socket.destroy())
  await expect(fetch(url, { headers })).rejects.toThrow()
  await sleep(500)
  const stop = new AbortController()
  const answer = await fetch(url, { headers, signal: stop.signal })
  stop.abort()
  small.app.server.closeAllConnections()
  await small.stop()
  expect(answer.status).toBe(200)
})
