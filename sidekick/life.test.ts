import { createHash, X509Certificate } from 'node:crypto'
import { generateKeyPair, SignJWT } from 'jose'
import { readFileSync } from 'node:fs'
import { connect } from 'node:tls'
import { afterEach, describe, expect, it } from 'vitest'
import { makeCertificate } from './certificate.ts'
import { CLOSE_HIBERNATED, CLOSE_RESTARTING, type Hello } from './protocol.ts'
import { StartedSidekick } from './testing/sidekick.ts'
import { TerminalTestClient } from './testing/terminal-client.ts'

let sidekick: StartedSidekick
afterEach(() => sidekick?.stop())

const code = async (answer: Promise<{ status: number; text: string }>) => {
  const { status, text } = await answer
  return [status, text ? (JSON.parse(text) as { code?: string }).code : undefined]
}

const stateOf = (pid: number): string => {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.slice(0, 1)
  } catch {
    return 'gone'
  }
}

describe('a claim', () => {
  it('is needed for everything but hello', async () => {
    sidekick = await StartedSidekick.start()
    const hello = (await sidekick.ask('/v1/hello', { ticket: null })).json<Hello>()
    expect(hello).toMatchObject({ protocol: 1, claimed: false, state: 'unclaimed' })
    expect(await code(sidekick.ask('/v1/terminals', { ticket: null }))).toEqual([
      409,
      'not_claimed',
    ])
  })

  it('is taken once; the same claim again is fine, another is not', async () => {
    sidekick = await StartedSidekick.start()
    expect((await sidekick.claim({ ticketKeys: [] })).status).toBe(422)
    expect((await sidekick.claim()).status).toBe(204)
    expect((await sidekick.claim()).status).toBe(204)
    expect(await code(sidekick.claim({ claimId: 'other' }))).toEqual([409, 'already_claimed'])
    const hello = (await sidekick.ask('/v1/hello', { ticket: null })).json<Hello>()
    expect(hello).toMatchObject({ claimed: true, generation: 3, state: 'claimed' })
  })

  it('is no debugger to users, whatever signal they send', async () => {
    sidekick = await StartedSidekick.start()
    process.kill(sidekick.child.pid ?? 0, 'SIGUSR1')
    await new Promise((done) => setTimeout(done, 500))
    expect(sidekick.output).not.toMatch(/debugger|inspector/i)
    expect((await sidekick.ask('/v1/hello', { ticket: null })).status).toBe(200)
  })

  it('keeps users out until it is opened', async () => {
    sidekick = await StartedSidekick.start()
    await sidekick.claim()
    expect(await code(sidekick.post('/v1/exec', { command: 'true' }))).toEqual([503, 'not_open'])
    expect((await sidekick.post('/v1/open', {}, 'control')).status).toBe(204)
    expect((await sidekick.post('/v1/open', {}, 'control')).status).toBe(204)
    expect((await sidekick.exec('true')).exit.exitCode).toBe(0)
  })
})

describe('a ticket', () => {
  it('must be for this compute and generation, by our key, of our type, short-lived, in scope', async () => {
    sidekick = await StartedSidekick.open()
    const status = async (ticket: string | null) =>
      (await sidekick.ask('/v1/terminals', { ticket })).status
    const other = (await generateKeyPair('EdDSA')).privateKey
    const ticket = (change: Parameters<StartedSidekick['ticket']>[1]) =>
      sidekick.ticket('use', change)
    expect(await status(await ticket({}))).toBe(200)
    expect(await status(null)).toBe(401)
    expect(await status(await ticket({ aud: 'c0mputeforthesetests:2' }))).toBe(401)
    expect(await status(await ticket({ aud: 'another:3' }))).toBe(401)
    expect(await status(await ticket({ iss: 'someone' }))).toBe(401)
    expect(await status(await ticket({ typ: 'JWT' }))).toBe(401)
    expect(await status(await ticket({ expS: 61 }))).toBe(401)
    expect(await status(await ticket({ expS: -10 }))).toBe(401)
    expect(await status(await ticket({ key: other as CryptoKey }))).toBe(401)
    expect(await code(sidekick.post('/v1/retire', {}, 'use'))).toEqual([403, 'forbidden'])
  })

  it('is checked by one algorithm, whatever the token says', async () => {
    sidekick = await StartedSidekick.open()
    const now = Math.floor(Date.now() / 1000)
    const claims = {
      scp: 'use',
      iss: 'dormouse',
      aud: 'c0mputeforthesetests:3',
      iat: now,
      exp: now + 60,
    }
    const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
    const none = `${encode({ alg: 'none', typ: 'sidekick+jwt' })}.${encode(claims)}.`
    const shared = await new SignJWT(claims)
      .setProtectedHeader({ alg: 'HS256', typ: 'sidekick+jwt' })
      .sign(Buffer.alloc(32))
    for (const ticket of [none, shared])
      expect((await sidekick.ask('/v1/terminals', { ticket })).status).toBe(401)
  })

  it('is asked for whatever Host or form of address a request has', async () => {
    sidekick = await StartedSidekick.open()
    const raw = (line: string, host: string, ticket = '') =>
      new Promise<string>((done) => {
        const socket = connect({ path: sidekick.socket, rejectUnauthorized: false })
        socket.once('data', (bytes: Buffer) => {
          done(bytes.toString().slice(9, 12))
          socket.destroy()
        })
        socket.write(`${line}\r\nhost: ${host}\r\n${ticket}connection: close\r\n\r\n`)
      })
    for (const host of ['localhost', 'evil.example'])
      for (const target of [
        '/v1/terminals',
        'http://localhost/v1/terminals',
        'https://e/v1/terminals',
      ]) {
        const ticket = `authorization: Bearer ${await sidekick.ticket('use')}\r\n`
        expect(await raw(`GET ${target} HTTP/1.1`, host)).toBe('401')
        expect(await raw(`GET ${target} HTTP/1.1`, host, ticket)).toBe('200')
      }
    expect(await raw('GET //v1/hello HTTP/1.1', 'x')).toBe('404')
    expect(await raw('OPTIONS * HTTP/1.1', 'x')).toBe('422')
  })
})

describe('the end', () => {
  it('of a generation closes terminals with 4410 and refuses what comes after', async () => {
    sidekick = await StartedSidekick.open()
    const client = await TerminalTestClient.attach(sidekick, 'id=t')
    expect((await sidekick.post('/v1/retire', {}, 'control')).status).toBe(204)
    await client.until(() => client.closed !== undefined, 'close')
    expect(client.closed?.code).toBe(CLOSE_HIBERNATED)
    expect(await code(sidekick.post('/v1/exec', { command: 'true' }))).toEqual([503, 'not_open'])
    expect((await sidekick.post('/v1/retire', {}, 'control')).status).toBe(204)
    expect(await code(sidekick.post('/v1/open', {}, 'control'))).toEqual([409, 'wrong_state'])
  })

  it('of the process tells sockets 1012, ends shells and comes within its bound', async () => {
    sidekick = await StartedSidekick.open()
    const client = await TerminalTestClient.attach(sidekick, 'id=t')
    client.type('echo pid-$$-\n')
    await client.until(() => /pid-(\d+)-/.test(client.text), 'pid')
    const pid = Number(/pid-(\d+)-/.exec(client.text)![1])
    const at = performance.now()
    sidekick.child.kill('SIGTERM')
    await new Promise((done) => sidekick.child.once('exit', done))
    expect(performance.now() - at).toBeLessThan(3500)
    expect(client.closed?.code).toBe(CLOSE_RESTARTING)
    await expect.poll(() => stateOf(pid), { timeout: 10_000 }).toMatch(/^(gone|Z)$/)
  })

  it('waits after SIGTERM for the last save when told to', async () => {
    sidekick = await StartedSidekick.open({ args: ['--term-grace-ms', '20000'] })
    sidekick.child.kill('SIGTERM')
    await new Promise((done) => setTimeout(done, 300))
    expect((await sidekick.exec('echo still here')).stdout).toBe('still here\n')
    await sidekick.post('/v1/retire', {}, 'control')
    await new Promise((done) => sidekick.child.once('exit', done))
  })

  it('comes by shutdown, too, after its answer', async () => {
    sidekick = await StartedSidekick.open()
    const ended = new Promise((done) => sidekick.child.once('exit', done))
    expect((await sidekick.post('/v1/shutdown', {}, 'control')).status).toBe(204)
    expect(await ended).toBe(0)
  })
})

describe('a certificate', () => {
  it('is one that OpenSSL reads, self-signed, P-256, valid now, with the fingerprint callers pin', () => {
    const { certPem, fingerprint } = makeCertificate()
    const parsed = new X509Certificate(certPem)
    expect(parsed.verify(parsed.publicKey)).toBe(true)
    expect(parsed.subject).toBe('CN=dormouse sidekick')
    expect(parsed.publicKey.asymmetricKeyDetails?.namedCurve).toBe('prime256v1')
    expect(parsed.validFromDate.getTime()).toBeLessThan(Date.now())
    expect(parsed.validToDate.getTime()).toBeGreaterThan(Date.now() + 1e11)
    expect(createHash('sha256').update(parsed.raw).digest('hex')).toBe(fingerprint)
    expect(makeCertificate().fingerprint).not.toBe(fingerprint)
  })
})
