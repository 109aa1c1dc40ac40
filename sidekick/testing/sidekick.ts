/** For tests: the built sidekick as a real process on a Unix socket, and a client that dials it. */
import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import type { IncomingHttpHeaders } from 'node:http'
import { request as dial } from 'node:https'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { connect } from 'node:tls'
import { generateKeyPair, exportJWK, SignJWT } from 'jose'
import { vi } from 'vitest'
import { WebSocket } from 'ws'
import { SIDEKICK_NODE_FLAGS } from '../launch.ts'
import {
  TICKET_ISSUER,
  TICKET_TYPE,
  ticketAudience,
  type ClaimRequest,
  type CommandEvent,
  type TicketScope,
} from '../protocol.ts'

// Real processes on a machine that may be busy: only a hang should count as a failure.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

const ROOT = resolve(import.meta.dirname, '../..')
const COMPUTE = 'c0mputeforthesetests'
const GENERATION = 3

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly bytes: Buffer
  readonly text: string
  json<T = Record<string, unknown>>(): T
}
export interface Ask {
  readonly method?: string
  readonly body?: unknown
  readonly headers?: Record<string, string>
  /** Null sends none. */
  readonly ticket?: string | null
}

let built: Promise<string> | undefined

/** Builds what is not built of these sources yet, or takes DORMOUSE_SIDEKICK_DIR. */
const builtSidekick = (): Promise<string> =>
  (built ??= (async () => {
    const given = process.env['DORMOUSE_SIDEKICK_DIR']
    if (given) return given
    const [build, hash]: string[] = ['sidekick.mjs', 'source-hash.mjs'].map((file) =>
      join(ROOT, 'deploy/build', file),
    )
    const { buildSidekick } = (await import(build!)) as { buildSidekick(to: string): Promise<void> }
    const { sourceHash } = (await import(hash!)) as { sourceHash(root: string): Promise<string> }
    const cache = join(ROOT, 'node_modules/.cache/dormouse')
    const out = join(cache, `sidekick-${(await sourceHash(ROOT)).slice(0, 16)}`)
    if (existsSync(out)) return out
    // Another test file may be faster; what it built is the same.
    await buildSidekick(out).catch((error: unknown) => {
      if (!existsSync(join(out, 'sidekick.mjs'))) throw error
    })
    return out
  })())

export class StartedSidekick {
  readonly folder: string
  readonly child: ChildProcess
  readonly socket: string
  readonly port: number | undefined
  readonly home: string
  readonly env: string
  readonly scratch: string
  output = ''
  #key: CryptoKey | undefined

  private constructor(folder: string, child: ChildProcess, port: number | undefined) {
    this.port = port
    this.folder = folder
    this.child = child
    this.socket = join(folder, 's.sock')
    this.home = join(folder, 'home')
    this.env = join(folder, 'env')
    this.scratch = join(folder, 'tmp')
    child.stdout!.on('data', (bytes: Buffer) => (this.output += bytes.toString()))
    child.stderr!.on('data', (bytes: Buffer) => (this.output += bytes.toString()))
  }

  /** Started and answering hello, unclaimed. */
  static async start(
    options: { args?: readonly string[]; env?: Record<string, string>; port?: number } = {},
  ): Promise<StartedSidekick> {
    const bundle = await builtSidekick()
    const folder = await mkdtemp(join(tmpdir(), 'sk-'))
    for (const name of ['home', 'env', 'tmp']) await mkdir(join(folder, name))
    const args = [
      ...(options.port
        ? ['--port', String(options.port), '--host', '127.0.0.1']
        : ['--socket', join(folder, 's.sock')]),
      ...['--home', join(folder, 'home')],
      ...['--env-dir', join(folder, 'env'), '--scratch', join(folder, 'tmp')],
      ...(options.args ?? []),
    ]
    const child = spawn(
      join(bundle, 'node'),
      [...SIDEKICK_NODE_FLAGS, join(bundle, 'sidekick.mjs'), ...args],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { PATH: process.env['PATH'], SECRET_OF_THE_PLATFORM: 'x', ...options.env },
      },
    )
    const started = new StartedSidekick(folder, child, options.port)
    for (let tries = 0; ; tries += 1) {
      try {
        await started.ask('/v1/hello', { ticket: null })
        return started
      } catch (error) {
        if (tries > 500 || child.exitCode !== null)
          throw new Error(started.output, { cause: error })
        await new Promise((done) => setTimeout(done, 10))
      }
    }
  }

  /** Started, claimed and open. */
  static async open(
    options: {
      args?: readonly string[]
      env?: Record<string, string>
      claimEnv?: Record<string, string>
      port?: number
    } = {},
  ): Promise<StartedSidekick> {
    const started = await StartedSidekick.start(options)
    await started.claim({ env: options.claimEnv ?? {} })
    await started.ask('/v1/open', { method: 'POST', ticket: await started.ticket('control') })
    return started
  }

  async claim(change: Partial<ClaimRequest> = {}): Promise<Answer> {
    const { publicKey, privateKey } = await generateKeyPair('EdDSA', { extractable: true })
    const { x } = await exportJWK(publicKey)
    const body: ClaimRequest = {
      claimId: 'claim-1',
      computeId: COMPUTE,
      generation: GENERATION,
      epoch: 1,
      name: 'test',
      ticketKeys: [{ kty: 'OKP', crv: 'Ed25519', x: x! }],
      env: {},
      caps: { maxBytes: 1e9, maxEntries: 1e6 },
      ...change,
    }
    const answer = await this.ask('/v1/claim', { method: 'POST', body, ticket: null })
    if (answer.status === 204 && !this.#key) this.#key = privateKey
    return answer
  }

  async ticket(
    scope: TicketScope,
    change: { aud?: string; typ?: string; iss?: string; expS?: number; key?: CryptoKey } = {},
  ): Promise<string> {
    const now = Math.floor(Date.now() / 1000)
    return new SignJWT({ scp: scope })
      .setProtectedHeader({ alg: 'EdDSA', typ: change.typ ?? TICKET_TYPE })
      .setIssuer(change.iss ?? TICKET_ISSUER)
      .setAudience(change.aud ?? ticketAudience(COMPUTE, GENERATION))
      .setIssuedAt(now)
      .setExpirationTime(now + (change.expS ?? 60))
      .sign(change.key ?? this.#key!)
  }

  async ask(
    path: string,
    { method = 'GET', body, headers = {}, ticket }: Ask = {},
  ): Promise<Answer> {
    const authorization = ticket === undefined ? await this.ticket('use') : ticket
    const raw = Buffer.isBuffer(body) || typeof body === 'string'
    const payload = body === undefined ? undefined : raw ? body : JSON.stringify(body)
    return new Promise((done, failed) => {
      const request = dial(
        {
          ...(this.port ? { host: '127.0.0.1', port: this.port } : { socketPath: this.socket }),
          path,
          method,
          agent: false,
          rejectUnauthorized: false,
          headers: {
            ...(authorization && { authorization: `Bearer ${authorization}` }),
            ...(payload !== undefined && {
              'content-type': raw ? 'application/octet-stream' : 'application/json',
              'content-length': Buffer.byteLength(payload),
            }),
            ...headers,
          },
        },
        (response) => {
          const chunks: Buffer[] = []
          response.on('data', (chunk: Buffer) => chunks.push(chunk))
          response.on('error', failed)
          response.on('end', () => {
            const bytes = Buffer.concat(chunks)
            done({
              status: response.statusCode ?? 0,
              headers: response.headers,
              bytes,
              text: bytes.toString(),
              json: <T>() => JSON.parse(bytes.toString()) as T,
            })
          })
        },
      )
      request.on('error', failed)
      request.end(payload)
    })
  }

  async post(path: string, body: unknown = {}, scope: TicketScope = 'use'): Promise<Answer> {
    return this.ask(path, { method: 'POST', body, ticket: await this.ticket(scope) })
  }

  /** Runs a command to its end; standard output and error as text. */
  async exec(command: string | readonly string[], more: Record<string, unknown> = {}) {
    const answer = await this.post('/v1/exec', { command, ...more })
    if (answer.status !== 200) throw new Error(answer.text)
    const events = answer.text
      .trim()
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as CommandEvent)
    const text = (type: 'stdout' | 'stderr') =>
      events
        .flatMap((event) =>
          event.type === type ? [Buffer.from(event.data, 'base64').toString()] : [],
        )
        .join('')
    const exit = events.at(-1) as Extract<CommandEvent, { type: 'exit' }>
    return { events, stdout: text('stdout'), stderr: text('stderr'), exit }
  }

  async webSocket(path: string, protocols: string[] = [], headers: Record<string, string> = {}) {
    const ticket = await this.ticket('use')
    return new WebSocket(`wss://sidekick${path}`, protocols, {
      createConnection: () => connect({ path: this.socket, rejectUnauthorized: false }),
      perMessageDeflate: false,
      headers: { authorization: `Bearer ${ticket}`, ...headers },
    })
  }

  /** Ends it and removes its folder. */
  async stop(): Promise<void> {
    const ended = new Promise((done) => this.child.once('exit', done))
    if (this.child.exitCode === null && this.child.signalCode === null) {
      this.child.kill('SIGTERM')
      await ended
    }
    await rm(this.folder, { recursive: true, force: true })
  }
}
