/** The real sidekick as a process on this machine, claimed and open, without a sandbox around it. */
import { spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
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

let built: Promise<string> | undefined
const buildOnce = async (): Promise<string> => {
  const { buildSidekick } = (await import('../../deploy/build/sidekick.mjs' as string)) as {
    buildSidekick: (outDir: string) => Promise<void>
  }
  // Beside the packages, so that the Node in it is a hard link and no copy of 120 MB.
  const dir = path.resolve(
    import.meta.dirname,
    `../../node_modules/.cache/gateway-sidekick-${process.pid}`,
  )
  await buildSidekick(dir)
  process.once(
    'exit',
    () =>
      void import('node:fs').then(({ rmSync }) => rmSync(dir, { recursive: true, force: true })),
  )
  return dir
}

export const startRealSidekick = async (keys: SigningKeys, computeId: string) => {
  const program = await (built ??= buildOnce())
  const dir = await mkdtemp(path.join(tmpdir(), 'dormouse-side-'))
  const socketPath = path.join(dir, 's')
  for (const name of ['home', 'env', 'tmp']) await mkdir(path.join(dir, name))
  const child = spawn(
    path.join(program, 'node'),
    [
      ...SIDEKICK_NODE_FLAGS,
      path.join(program, 'sidekick.mjs'),
      ...['--socket', socketPath, '--home', path.join(dir, 'home')],
      ...['--env-dir', path.join(dir, 'env'), '--scratch', path.join(dir, 'tmp')],
    ],
    { stdio: ['ignore', 'pipe', 'inherit'], env: { PATH: process.env['PATH'] ?? '' } },
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
