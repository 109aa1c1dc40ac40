import { connect } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { CommandInfo } from '../protocol.ts'
import { StartedSidekick } from '../testing/sidekick.ts'

let sidekick: StartedSidekick
beforeAll(async () => {
  sidekick = await StartedSidekick.open({ claimEnv: { FROM_CLAIM: 'yes' } })
})
afterAll(() => sidekick?.stop())

const wait = (ms: number) => new Promise((done) => setTimeout(done, ms))
const gone = async (marker: string, withinMs = 20_000) => {
  for (const deadline = Date.now() + withinMs; Date.now() < deadline; await wait(50)) {
    const { stdout } = await sidekick.exec(['pgrep', '-f', marker])
    if (stdout.trim() === '') return true
  }
  return false
}

describe('exec', () => {
  it('streams both outputs with offsets and ends in the exit', async () => {
    const { events, stdout, stderr, exit } = await sidekick.exec('echo out; echo err >&2; exit 4')
    expect(events[0]).toMatchObject({ type: 'start' })
    expect([stdout, stderr]).toEqual(['out\n', 'err\n'])
    expect(exit).toMatchObject({ type: 'exit', exitCode: 4, signal: null, timedOut: false })
  })

  it('runs words as words, in the folder and environment asked for', async () => {
    const { stdout } = await sidekick.exec(['sh', '-c', 'echo "$0" $A $FROM_CLAIM; pwd', 'a b'], {
      env: { A: '1' },
      cwd: '/',
    })
    expect(stdout).toBe('a b 1 yes\n/\n')
  })

  it('loses nothing of an output far larger than the ring', async () => {
    const { stdout, events } = await sidekick.exec('seq 1 1000000')
    expect(stdout.length).toBe(6_888_896)
    expect(events.some(({ type }) => type === 'truncated')).toBe(false)
  })

  it('feeds stdin and closes it', async () => {
    const { stdout } = await sidekick.exec('cat; echo end', { stdin: 'äöü' })
    expect(stdout).toBe('äöüend\n')
  })

  it('ends a command and its children at the timeout', async () => {
    const { exit } = await sidekick.exec('sleep 61.001 & sleep 61.001', { timeoutMs: 300 })
    expect(exit).toMatchObject({ timedOut: true, signal: 'SIGTERM' })
    expect(await gone('sleep 61.001')).toBe(true)
  })

  it('does not wait for a grandchild that keeps the output open', async () => {
    const at = performance.now()
    const { stdout } = await sidekick.exec('sleep 30.5 & echo started')
    expect(stdout).toBe('started\n')
    expect(performance.now() - at).toBeLessThan(3000)
  })

  it('kills the command when the client goes away', async () => {
    const socket = connect({ path: sidekick.socket, rejectUnauthorized: false })
    const body = JSON.stringify({ command: 'echo here; sleep 62.002' })
    const ticket = await sidekick.ticket('use')
    socket.write(
      `POST /v1/exec HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${ticket}\r\n` +
        `content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    )
    await new Promise((done) => socket.once('data', done))
    socket.destroy()
    expect(await gone('sleep 62.002')).toBe(true)
  })

  it('says what is wrong with a request', async () => {
    const wrong = async (body: unknown) => {
      const answer = await sidekick.post('/v1/exec', body)
      return [answer.status, answer.json()['message']]
    }
    expect(await wrong({ command: [] })).toEqual([422, expect.stringContaining('`command`')])
    expect(await wrong({ command: ['no-such-program'] })).toEqual([
      422,
      'There is no program "no-such-program" in the compute.',
    ])
    expect(await wrong({ command: 'x', cwd: 'nowhere' })).toEqual([
      422,
      expect.stringContaining('cwd'),
    ])
    expect(await wrong({ command: 'x', timeoutMs: -1 })).toEqual([422, expect.anything()])
  })
})

describe('background commands', () => {
  const start = async (body: Record<string, unknown>) => {
    const answer = await sidekick.post('/v1/commands', body)
    expect(answer.status).toBe(201)
    return answer.json<CommandInfo>()
  }

  it('keep their output for later, from any offset', async () => {
    const { id, background } = await start({ command: 'echo abcdef; echo oops >&2' })
    expect(background).toBe(true)
    const answer = await sidekick.ask(`/v1/commands/${id}/output?stdout=2&stderr=1`)
    const events = answer.text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    const data = (type: string) =>
      Buffer.from(events.find((event) => event.type === type).data, 'base64').toString()
    expect([data('stdout'), data('stderr')]).toEqual(['cdef\n', 'ops\n'])
    expect(events.at(-1)).toMatchObject({ type: 'exit', exitCode: 0 })
    const info = (await sidekick.ask(`/v1/commands/${id}`)).json()
    expect(info).toMatchObject({ exit: { exitCode: 0 } })
  })

  it('take stdin while it is open and refuse it when it is full, writing nothing of it', async () => {
    const { id } = await start({ command: 'cat', stdinOpen: true })
    const write = (body: Buffer | string, query = '') =>
      sidekick.ask(`/v1/commands/${id}/stdin${query}`, { method: 'POST', body })
    expect((await write('hello ')).status).toBe(204)
    expect((await write('world', '?eof=1')).status).toBe(204)
    const { text } = await sidekick.ask(`/v1/commands/${id}/output`)
    const all = text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    const out = all.flatMap((event) =>
      event.type === 'stdout' ? [Buffer.from(event.data, 'base64')] : [],
    )
    expect(Buffer.concat(out).toString()).toBe('hello world')
    expect((await write('late')).status).toBe(409)

    const stuck = await start({ command: 'sleep 60', stdinOpen: true })
    const big = Buffer.alloc(900_000)
    const fill = () => sidekick.ask(`/v1/commands/${stuck.id}/stdin`, { method: 'POST', body: big })
    expect((await fill()).status).toBe(204)
    const refused = await fill()
    expect([refused.status, refused.json()['code']]).toEqual([429, 'input_full'])
    await sidekick.ask(`/v1/commands/${stuck.id}`, { method: 'DELETE' })
  })

  it('get signals to the whole group, and are forgotten on request', async () => {
    const { id } = await start({ command: 'sleep 63.003 & sleep 63.003' })
    expect((await sidekick.post(`/v1/commands/${id}/signal`, { signal: 'SIGTERM' })).status).toBe(
      204,
    )
    expect(await gone('sleep 63.003')).toBe(true)
    expect((await sidekick.post(`/v1/commands/${id}/signal`, { signal: 'SIGWHAT' })).status).toBe(
      422,
    )
    expect((await sidekick.ask(`/v1/commands/${id}`, { method: 'DELETE' })).status).toBe(204)
    expect((await sidekick.ask(`/v1/commands/${id}`)).status).toBe(404)
  })

  it('say how much was lost to one who comes late', async () => {
    const { id } = await start({ command: 'head -c 3000000 /dev/zero' })
    const { text } = await sidekick.ask(`/v1/commands/${id}/output?stdout=5`)
    await wait(200)
    const late = (await sidekick.ask(`/v1/commands/${id}/output?stdout=5`)).text
    const first = late.split('\n').map((line) => line && JSON.parse(line))[1]
    expect(first).toMatchObject({ type: 'truncated', stream: 'stdout', from: 5 })
    expect(text).toContain('"exit"')
  })
})
