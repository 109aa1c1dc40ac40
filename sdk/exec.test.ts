import { once } from 'node:events'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, it } from 'vitest'
import { exec } from './exec.ts'
import { noAuth, openHttp } from './http.ts'
import { isProblem } from './problem.ts'

let server: Server
afterEach(() => {
  server.closeAllConnections()
  server.close()
})

const run = async (answer: (response: ServerResponse) => void, signal?: AbortSignal) => {
  server = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'application/x-ndjson' })
    response.write('{"type":"start","id":"1","pid":7}\n')
    answer(response)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return exec(openHttp(origin, noAuth), 'c', { command: 'true' }, { ...(signal && { signal }) })
}

it.each([
  ['was cut', (response: ServerResponse) => void setTimeout(() => response.destroy(), 50)],
  ['ended', (response: ServerResponse) => void response.end()],
])('a command whose stream %s before its exit is lost, in those words', async (_how, answer) => {
  const error = await run(answer).catch((thrown: unknown) => thrown)
  expect(isProblem(error) && error).toMatchObject({ status: 503, code: 'connection_lost' })
})

it('the empty lines of a silent command are passed over', async () => {
  const exit = await run((response) => response.end('\n\n{"type":"exit","exitCode":3}\n'))
  expect(exit).toMatchObject({ exitCode: 3 })
})

it('who gives up hears of that, and of no lost connection', async () => {
  const stop = new AbortController()
  const running = run(() => setTimeout(() => stop.abort(), 50), stop.signal)
  await expect(running).rejects.toMatchObject({ name: 'AbortError' })
})
