import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { readCredentials, writeCredentials } from './credentials.ts'
import { openSession } from './session.ts'

describe('a kept session', () => {
  let home: string
  let server: Server
  let refreshes: string[]

  beforeEach(async () => {
    home = await mkdtemp(path.join(tmpdir(), 'dormouse-session-'))
    vi.stubEnv('XDG_CONFIG_HOME', home)
    vi.stubEnv('DORMOUSE_API_KEY', undefined)
    refreshes = []
    server = createServer((request, response) => {
      const answer = (status: number, body: object) => {
        response.writeHead(status, { 'content-type': 'application/json' })
        response.end(JSON.stringify(body))
      }
      let body = ''
      request.on('data', (part) => (body += String(part)))
      request.on('end', () => {
        if (request.url === '/auth/refresh') {
          refreshes.push((JSON.parse(body) as { refreshToken: string }).refreshToken)
          const first = refreshes.length === 1
          return answer(first ? 200 : 401, first ? { accessToken: 'new', refreshToken: 'r2' } : {})
        }
        const good = request.headers.authorization === 'Bearer new'
        answer(good ? 200 : 401, good ? { items: [], next_cursor: null } : { code: 'x' })
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  })
  afterEach(async () => {
    vi.unstubAllEnvs()
    server.closeAllConnections()
    server.close()
    await rm(home, { recursive: true })
  })

  it('is renewed once for all requests that were refused together', async () => {
    const apiUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    await writeCredentials({ apiUrl, email: 'a@b', accessToken: 'old', refreshToken: 'r1' })
    const { client } = await openSession({})
    await Promise.all([1, 2, 3, 4].map(() => client.computes.page()))
    expect(refreshes).toEqual(['r1'])
    expect(await readCredentials()).toMatchObject({ accessToken: 'new', refreshToken: 'r2' })
  })
})
