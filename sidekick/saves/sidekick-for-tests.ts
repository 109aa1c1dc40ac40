/** A real sidekick process for the tests of this folder, claimed, and a client that may do all. */
import { type ChildProcess, spawn } from 'node:child_process'
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { once } from 'node:events'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { request } from 'node:https'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { SignJWT } from 'jose'
import type { ArchiveRequest, FreezeRequest, SaveSummary } from '../protocol.ts'
import { TICKET_ISSUER, ticketAudience, TICKET_TYPE } from '../protocol.ts'
import type { TreeRoots } from './tree-path.ts'
import { makeFolder, makeRoots } from './trees-for-tests.ts'

const COMPUTE_ID = 'c0000000000000000000'
export const EPOCH = 5

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly bytes: Buffer
  json<T = Record<string, unknown>>(): T
}

export interface StartOptions {
  /** Puts a program in front of the sidekick's command line, e.g. bwrap; it must let those folders through. */
  readonly wrap?: (command: readonly string[], folders: readonly string[]) => readonly string[]
  readonly roots?: TreeRoots
  readonly caps?: { readonly maxBytes: number; readonly maxEntries: number }
  readonly command?: readonly string[]
}

export class TestSidekick {
  readonly roots: TreeRoots
  readonly #socket: string
  readonly #process: ChildProcess
  readonly #key: KeyObject
  #log = ''

  constructor(roots: TreeRoots, socket: string, child: ChildProcess, key: KeyObject) {
    this.roots = roots
    this.#socket = socket
    this.#process = child
    this.#key = key
    child.stdout?.on('data', (text: Buffer) => (this.#log += text.toString()))
    child.stderr?.on('data', (text: Buffer) => (this.#log += text.toString()))
  }

  get pid(): number {
    return this.#process.pid ?? 0
  }
  get log(): string {
    return this.#log
  }

  async ready(): Promise<void> {
    for (const deadline = Date.now() + 15_000; Date.now() < deadline;) {
      if (this.#process.exitCode !== null) break
      const answer = await this.call('GET', '/v1/hello').catch(() => null)
      if (answer?.status === 200) return
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    throw new Error(`the sidekick did not start: ${this.#log}`)
  }

  /** The answer as it comes; for streams. */
  async open(
    method: string,
    path: string,
    body?: Buffer | Readable | object,
    signal?: AbortSignal,
  ) {
    const ticket = await new SignJWT({ scp: 'control' })
      .setProtectedHeader({ alg: 'EdDSA', typ: TICKET_TYPE })
      .setIssuer(TICKET_ISSUER)
      .setAudience(ticketAudience(COMPUTE_ID, 1))
      .setIssuedAt()
      .setExpirationTime('60s')
      .sign(this.#key)
    const outgoing = request({
      socketPath: this.#socket,
      method,
      path,
      rejectUnauthorized: false,
      agent: false,
      headers: { authorization: `Bearer ${ticket}`, 'content-type': 'application/json' },
      ...(signal && { signal }),
    })
    const answered = once(outgoing, 'response')
    outgoing.on('error', () => {}) // refused in the middle of a body: the answer counts
    if (body === undefined) outgoing.end()
    else if (Buffer.isBuffer(body)) outgoing.end(body)
    else if ('pipe' in body) body.pipe(outgoing)
    else outgoing.end(JSON.stringify(body))
    const [response] = (await answered) as [import('node:http').IncomingMessage]
    return response
  }

  async call(method: string, path: string, body?: Buffer | Readable | object): Promise<Answer> {
    const response = await this.open(method, path, body)
    const chunks: Buffer[] = []
    for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk)
    const bytes = Buffer.concat(chunks)
    return {
      status: response.statusCode ?? 0,
      headers: response.headers,
      bytes,
      json: <T>() => JSON.parse(bytes.toString()) as T,
    }
  }

  archive(saveId: string, baseSaveId: string | null = null): Promise<Answer> {
    const body: ArchiveRequest = { saveId, baseSaveId, trees: ['home', 'env'] }
    return this.call('POST', '/v1/archive', body)
  }
  async summary(saveId: string): Promise<SaveSummary> {
    return (await this.call('GET', `/v1/saves/${saveId}`)).json<SaveSummary>()
  }
  published(saveId: string): Promise<Answer> {
    return this.call('POST', `/v1/saves/${saveId}/published`)
  }
  freeze(request: Partial<FreezeRequest> = {}): Promise<Answer> {
    return this.call('POST', '/v1/freeze', { epoch: EPOCH, leaseMs: 20_000, ...request })
  }
  thaw(epoch = EPOCH): Promise<Answer> {
    return this.call('POST', '/v1/thaw', { epoch })
  }
  async state(): Promise<string> {
    return (await this.call('GET', '/v1/hello')).json<{ state: string }>().state
  }
  async isDirty(): Promise<boolean> {
    return (await this.call('GET', '/v1/activity')).json<{ dirty: boolean }>().dirty
  }
  async background(command: string): Promise<string> {
    const answer = await this.call('POST', '/v1/commands', { command, background: true })
    return answer.json<{ id: string }>().id
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const ended = once(this.#process, 'exit')
      this.#process.kill('SIGKILL')
      await ended
    }
    // Users' processes outlive a sidekick that was killed, unless a pid namespace ends them.
    for (let left = this.#users(); left.length > 0; left = this.#users())
      for (const pid of left) endProcess(pid)
  }

  #users(): readonly number[] {
    return readdirSync('/proc').flatMap((pid) => {
      try {
        const inTree = readlinkSync(`/proc/${pid}/cwd`).startsWith(this.roots.home)
        return inTree && !isZombie(pid) ? [Number(pid)] : []
      } catch {
        return []
      }
    })
  }
}

const endProcess = (pid: number): void => {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // it ended by itself
  }
}

const isZombie = (pid: string): boolean => /\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))

const running: TestSidekick[] = []

/** Claimed, not yet open. */
export const startSidekick = async (options: StartOptions = {}): Promise<TestSidekick> => {
  const roots = options.roots ?? makeRoots()
  const folder = makeFolder()
  const socket = join(folder, 'socket')
  const scratch = makeFolder()
  const command = [
    ...(options.command ?? [process.execPath, join(import.meta.dirname, '..', 'main.ts')]),
    ...['--socket', socket, '--home', roots.home, '--env-dir', roots.env, '--scratch', scratch],
  ]
  const [program = '', ...args] = options.wrap
    ? options.wrap(command, [...Object.values(roots), folder, scratch])
    : command
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const sidekick = new TestSidekick(roots, socket, child, privateKey)
  running.push(sidekick)
  await sidekick.ready()
  const { x } = publicKey.export({ format: 'jwk' })
  const claimed = await sidekick.call('POST', '/v1/claim', {
    claimId: 'claim',
    computeId: COMPUTE_ID,
    generation: 1,
    epoch: EPOCH,
    name: 'test',
    ticketKeys: [{ kty: 'OKP', crv: 'Ed25519', x }],
    env: {},
    caps: options.caps ?? { maxBytes: 10 * 1024 ** 3, maxEntries: 1_000_000 },
  })
  if (claimed.status !== 204) throw new Error(claimed.bytes.toString())
  return sidekick
}

export const openSidekick = async (options: StartOptions = {}): Promise<TestSidekick> => {
  const sidekick = await startSidekick(options)
  await sidekick.call('POST', '/v1/open')
  return sidekick
}

export const stopSidekicks = async (): Promise<void> => {
  await Promise.all(running.splice(0).map((sidekick) => sidekick.stop()))
}
