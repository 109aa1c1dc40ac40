/** The real sidekick as a process on this machine, claimed and open, without a sandbox around it. */
import { spawn } from 'node:child_process'
import { mkdtemp, mkdir, rm } from 'node:fs/promises'
import { request } from 'node:https'
import { createInterface } from 'node:readline'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { mintSidekickTicket, type SigningKeys } from '../../auth/keys.ts'
import { newId } from '../../records/ids.ts'
import { SIDEKICK_NODE_FLAGS } from '../../sidekick/launch.ts'
import type { ClaimRequest } from '../../sidekick/protocol.ts'
import type { Endpoint } from '../sidekick-dial.ts'

export type RealSidekick = Awaited<ReturnType<typeof startRealSidekick>>

/** Made by the suites' global set-up, as for `npm start`. */
const PROGRAM = path.resolve(import.meta.dirname, '../../dist/sidekick')

export const startRealSidekick = async (keys: SigningKeys, computeId: string) => {
  const dir = await mkdtemp(path.join(tmpdir(), 'dormouse-side-'))
  const socketPath = path.join(dir, 's')
  for (const name of ['home', 'env', 'tmp']) await mkdir(path.join(dir, name))
  const child = spawn(
    path.join(PROGRAM, 'node'),
    [
      ...SIDEKICK_NODE_FLAGS,
      path.join(PROGRAM, 'sidekick.mjs'),
      ...['--socket', socketPath, '--home', path.join(dir, 'home')],
      ...['--env-dir', path.join(dir, 'env'), '--scratch', path.join(dir, 'tmp')],
    ],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
      // Nothing in front of it makes its folder read-only, and images are built from there.
      env: { PATH: process.env['PATH'] ?? '', NODE_DISABLE_COMPILE_CACHE: '1' },
    },
  )
  const fingerprint = await new Promise<string>((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the sidekick ended with ${code}`)))
    createInterface(child.stdout).on('line', (line) => {
      const found = /"fingerprint":"([0-9a-f]{64})"/.exec(line)?.[1]
      if (found !== undefined) resolve(found)
    })
  })
  const claim: ClaimRequest = {
    claimId: newId(),
    computeId,
    generation: 1,
    epoch: 1,
    name: 'test',
    ticketKeys: [keys.publicJwk],
    env: {},
    caps: { maxBytes: 1 << 30, maxEntries: 100_000 },
  }
  await post(socketPath, '/v1/claim', claim)
  const control = () =>
    mintSidekickTicket(keys, { computeId, generation: 1, scope: 'control', subject: 'test' })
  await post(socketPath, '/v1/open', {}, await control())
  const endpoint: Endpoint = { address: { kind: 'unix', path: socketPath }, fingerprint }
  return {
    endpoint,
    home: path.join(dir, 'home'),
    pid: child.pid ?? 0,
    control: async (route: string, body: object = {}) =>
      post(socketPath, route, body, await control()),
    async close() {
      child.removeAllListeners('exit')
      const ended = new Promise((resolve) => child.once('exit', resolve))
      // By SIGTERM it takes its shells and commands along.
      child.kill('SIGTERM')
      const timer = setTimeout(() => child.kill('SIGKILL'), 5_000)
      await ended
      clearTimeout(timer)
      await rm(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 })
    },
  }
}

const post = (socketPath: string, route: string, body: object, ticket?: string): Promise<void> =>
  new Promise((resolve, reject) => {
    const sent = request(
      {
        socketPath,
        path: route,
        method: 'POST',
        rejectUnauthorized: false,
        headers: {
          'content-type': 'application/json',
          ...(ticket === undefined ? {} : { authorization: `Bearer ${ticket}` }),
        },
      },
      (answer) => {
        let text = ''
        answer.on('data', (chunk: Buffer) => (text += chunk.toString()))
        answer.on('end', () =>
          (answer.statusCode ?? 500) < 300
            ? resolve()
            : reject(new Error(`${route} answered ${answer.statusCode} ${text}`)),
        )
      },
    )
    sent.once('error', reject)
    sent.end(JSON.stringify(body))
  })
