import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'

let api: Server
let renewal: number
beforeEach(async () => {
  api = createServer((request, response) =>
    response
      .writeHead(request.url === '/auth/refresh' ? renewal : 401)
      .end('{"code":"Unauthenticated"}'),
  ).listen(0, '127.0.0.1')
  await once(api, 'listening')
  vi.stubGlobal('location', { origin: `http://127.0.0.1:${(api.address() as AddressInfo).port}` })
  vi.resetModules()
})
afterEach(() => {
  vi.unstubAllGlobals()
  api.closeAllConnections()
  api.close()
})

const endings = async (): Promise<number> => {
  const { client, onSessionEnd } = await import('./client.ts')
  let ended = 0
  const forget = onSessionEnd(() => (ended += 1))
  await expect(client.me()).rejects.toMatchObject({ status: 401 })
  forget()
  return ended
}

it('a session that is over is told to the page', async () => {
  renewal = 401
  expect(await endings()).toBe(1)
})

it('one that could not be renewed now is not over', async () => {
  renewal = 503
  expect(await endings()).toBe(0)
})
