import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import type { RequestListener } from 'node:http'
import { createServer, type Server } from 'node:https'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { loadSigningKeys } from '../../../auth/keys.ts'
import { makeCertificate } from '../../../sidekick/certificate.ts'
import type { Endpoint } from '../../ports.ts'
import { createSidekickControl } from './control.ts'

const target = { computeId: 'c', generation: 1 }
const keys = loadSigningKeys(
  generateKeyPairSync('ed25519')
    .privateKey.export({ format: 'der', type: 'pkcs8' })
    .toString('base64'),
)
const control = createSidekickControl(keys)

const endings: (() => Promise<unknown>)[] = []
afterEach(async () => {
  await control.close()
  for (const end of endings.splice(0)) await end()
})

/** What a sidekick may become once its users took it over. */
const takenOver = async (answer: RequestListener): Promise<Endpoint> => {
  const { keyPem, certPem, fingerprint } = makeCertificate()
  const folder = await mkdtemp(path.join(tmpdir(), 'dm-'))
  const server: Server = createServer({ key: keyPem, cert: certPem }, answer)
  const socket = path.join(folder, 'sock')
  await new Promise<void>((resolve) => server.listen(socket, resolve))
  endings.push(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
    await rm(folder, { recursive: true, force: true })
  })
  return { address: { kind: 'unix', path: socket }, fingerprint }
}

/** Sends until nobody reads; `sent` counts. */
const endless = (status: number, chunk = Buffer.alloc(64 * 1024, ' ')) => {
  const told = { sent: 0 }
  const answer: RequestListener = (request, response) => {
    request.resume()
    response.writeHead(status)
    response.on('error', () => undefined)
    const more = (): void => {
      while (!response.destroyed && told.sent < 64 * 1024 * 1024) {
        told.sent += chunk.length
        if (!response.write(chunk)) return void response.once('drain', more)
      }
      response.end()
    }
    more()
  }
  return { told, answer }
}
const MOST_SENT = 8 * 1024 * 1024

describe('a sidekick that answers without end', () => {
  it('is no hello, and is not read on', async () => {
    const { told, answer } = endless(200)
    const { address } = await takenOver(answer)
    const hello = control.hello(address, 5_000)
    await expect(hello).rejects.toMatchObject({ name: 'SidekickUnreachable' })
    expect(told.sent).toBeLessThan(MOST_SENT)
  })

  it.each([200, 500])('with status %i is not kept in memory', async (status) => {
    const { told, answer } = endless(status)
    const endpoint = await takenOver(answer)
    await expect(control.activity(endpoint, target)).rejects.toMatchObject({
      name: 'SidekickUnreachable',
    })
    expect(told.sent).toBeLessThan(MOST_SENT)
  })

  it('neither is its refusal of an archive', async () => {
    const { told, answer } = endless(500)
    const endpoint = await takenOver(answer)
    const request = { saveId: 's', baseSaveId: null, trees: ['home'] } as const
    const signal = new AbortController().signal
    await expect(control.archive(endpoint, target, request, signal)).rejects.toMatchObject({
      name: 'SidekickUnreachable',
    })
    expect(told.sent).toBeLessThan(MOST_SENT)
  })
})

it('a hello whose body never ends is given up when its time is over', async () => {
  const { address } = await takenOver((_request, response) => {
    response.writeHead(200).write('{')
  })
  const begun = performance.now()
  await expect(control.hello(address, 300)).rejects.toMatchObject({ name: 'SidekickUnreachable' })
  expect(performance.now() - begun).toBeLessThan(3_000)
})

it('a hello is what the protocol says, or none', async () => {
  const { address } = await takenOver((_request, response) => {
    response.end(JSON.stringify({ protocol: 1, minProtocol: 1, bootId: 'x'.repeat(1000) }))
  })
  await expect(control.hello(address, 1_000)).rejects.toMatchObject({ name: 'ProvisionFailed' })
})

it('of a refusal only a short word is passed on', async () => {
  const endpoint = await takenOver((request, response) => {
    request.resume()
    response.writeHead(409)
    const long = 'x'.repeat(200_000)
    response.end(JSON.stringify({ code: 'invalid', message: long, details: { long } }))
  })
  const error = await control.activity(endpoint, target).catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({ name: 'Invalid', details: { sidekickCode: 'invalid' } })
  expect(JSON.stringify(error).length + (error as Error).message.length).toBeLessThan(2_000)
})
