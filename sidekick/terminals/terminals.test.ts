import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { StartedSidekick } from '../testing/sidekick.ts'
import { TerminalTestClient } from '../testing/terminal-client.ts'

let sidekick: StartedSidekick
beforeAll(async () => {
  sidekick = await StartedSidekick.open({ claimEnv: { GREETING: 'hello from the claim' } })
})
afterAll(() => sidekick?.stop())

const attach = (query: string, options?: { acknowledge?: boolean }) =>
  TerminalTestClient.attach(sidekick, query, options)

describe('terminals', () => {
  it('start a shell at the first attach and give every client the same one', async () => {
    const one = await attach('id=shared&cols=100&rows=30')
    const two = await attach('id=shared')
    expect(two.hello?.attempt).toBe(one.hello?.attempt)
    one.type('echo $((40+2)) $GREETING\n')
    await one.shows('42 hello from the claim')
    await two.shows('42 hello from the claim')
    one.drop()
    two.drop()
  })

  it('run in the home folder with a clean environment and /opt/env first on PATH', async () => {
    const client = await attach('id=env')
    client.type('env; pwd; echo end-of-env\n')
    await client.shows('\r\nend-of-env')
    expect(client.text).toContain(`HOME=${sidekick.home}`)
    expect(client.text).toContain('TERM=xterm-256color')
    expect(client.text).toContain('LANG=C.UTF-8')
    expect(client.text).toMatch(new RegExp(`PATH=${sidekick.env}/bin:`))
    expect(client.text).not.toMatch(/SECRET_OF_THE_PLATFORM|DORMOUSE|NODE_/)
    client.drop()
  })

  it('replay from an offset after a dropped socket, byte for byte', async () => {
    const before = await attach('id=replay&client=tab')
    before.type('seq 1 2000; echo done\n')
    await before.shows('\r\ndone')
    const all = Buffer.concat(before.chunks.map(({ bytes }) => bytes))
    before.drop()
    const from = 1234
    const after = await attach(
      `id=replay&client=tab&offset=${from}&attempt=${before.hello!.attempt}`,
    )
    await after.until(() => after.end >= all.length, 'replay')
    const again = Buffer.concat(after.chunks.map(({ bytes }) => bytes))
    expect(after.chunks[0]!.offset).toBe(from)
    expect(again.subarray(0, all.length - from).equals(all.subarray(from))).toBe(true)
    after.drop()
  })

  it('never type the same input twice, also when it is sent again after a reconnect', async () => {
    const first = await attach('id=dedupe&client=tab')
    first.type('echo one-$((1+1))\n', 7)
    await first.until(() => first.acked === 7, 'ack')
    first.drop()
    const second = await attach('id=dedupe&client=tab')
    expect(second.hello?.lastInputId).toBe(7)
    second.type('echo one-$((1+1))\n', 7)
    second.type('echo two-$((1+1))\n', 8)
    await second.shows('two-2\r\n')
    expect(second.text.match(/one-2\r\n/g)).toHaveLength(1)
    second.drop()
  })

  it('say explicitly which bytes are gone when the ring was outrun', async () => {
    const client = await attach('id=gone')
    client.type('head -c 2000000 /dev/zero | tr "\\0" x; echo; echo flooded\n')
    await client.shows('\r\nflooded')
    client.drop()
    const late = await attach('id=gone&offset=10')
    await late.shows('flooded')
    expect(late.truncations).toHaveLength(1)
    expect(late.truncations[0]!.from).toBe(10)
    expect(late.truncations[0]!.to).toBe(late.chunks[0]!.offset)
    late.drop()
  })

  it('resize, signal the foreground, show notices, and tell how the shell ended', async () => {
    const client = await attach('id=life&cols=80&rows=24')
    client.resize(111, 33)
    client.type('stty size\n')
    await client.shows('33 111')
    client.type('sleep 100\n')
    await client.shows('sleep 100')
    await new Promise((done) => setTimeout(done, 500))
    client.signal('SIGINT')
    client.type('echo interrupted-$?\n')
    await client.shows('interrupted-130')
    await sidekick.post('/v1/notice', { text: 'sleeping soon' }, 'control')
    await client.until(() => client.notices.includes('sleeping soon'), 'notice')
    client.type('exit 3\n')
    await client.until(() => client.exit !== undefined, 'exit')
    expect(client.exit).toEqual({ exitCode: 3, signal: null })
    const after = await attach(`id=life&attempt=${client.hello!.attempt}&offset=0`)
    await after.until(() => after.exit !== undefined, 'exit again')
    const fresh = await attach('id=life')
    expect(fresh.hello?.attempt).not.toBe(client.hello?.attempt)
    fresh.drop()
  })

  it('refuse names, sizes and frames that are not of the protocol', async () => {
    const bad = await sidekick.webSocket('/v1/terminal?id=..%2Fx', ['dormouse.terminal.v1'])
    expect(await refusal(bad)).toBe(422)
    const wide = await sidekick.webSocket('/v1/terminal?cols=0', ['dormouse.terminal.v1'])
    expect(await refusal(wide)).toBe(422)
    const other = await sidekick.webSocket('/v1/terminal', ['something.else'])
    expect(await refusal(other)).toBe(422)
    const client = await attach('id=frames')
    client.socket.send(Buffer.from([0x77]))
    await client.until(() => client.closed?.code === 1007, 'close 1007')
  })

  it('are listed and removed', async () => {
    const client = await attach('id=listed')
    const listed = (await sidekick.ask('/v1/terminals')).json<{ id: string; clients: number }[]>()
    expect(listed.find(({ id }) => id === 'listed')).toMatchObject({ clients: 1 })
    expect((await sidekick.ask('/v1/terminals/listed', { method: 'DELETE' })).status).toBe(204)
    await client.until(() => client.closed !== undefined, 'close')
    expect((await sidekick.ask('/v1/terminals/listed', { method: 'DELETE' })).status).toBe(404)
  })
})

const refusal = (socket: import('ws').WebSocket): Promise<number> =>
  new Promise((done) => {
    socket.on('error', () => {})
    socket.on('unexpected-response', (_request, response) => done(response.statusCode ?? 0))
    socket.on('open', () => done(101))
  })

describe('while frozen', () => {
  it('terminals stay attached, hold input unacknowledged, and type it once thawed', async () => {
    const client = await attach('id=frozen')
    client.type('echo before-$((1+1))\n')
    await client.shows('before-2')
    const freeze = { epoch: 1, leaseMs: 20_000 }
    expect((await sidekick.post('/v1/freeze', freeze, 'control')).status).toBe(200)
    const acked = client.acked
    client.type('echo after-$((1+1))\n')
    await new Promise((done) => setTimeout(done, 300))
    expect(client.acked).toBe(acked)
    const refused = await sidekick.post('/v1/exec', { command: 'true' })
    expect([refused.status, refused.json()['code']]).toEqual([503, 'frozen'])
    expect(
      (await sidekick.ask('/v1/files/content?path=x', { method: 'PUT', body: 'x' })).status,
    ).toBe(503)
    expect((await sidekick.ask('/v1/files')).status).toBe(200)
    expect((await sidekick.post('/v1/thaw', { epoch: 1 }, 'control')).status).toBe(204)
    await client.shows('after-2\r\n')
    expect(client.text.match(/after-2\r\n/g)).toHaveLength(1)
    client.drop()
  })
})
