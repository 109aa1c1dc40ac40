import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, it } from 'vitest'
import { Activity } from '../activity/activity.ts'
import { streamEvents } from './event-stream.ts'
import { Commands } from './registry.ts'
import { parseExec } from './request.ts'

let server: Server
afterEach(() => {
  server.close()
  server.closeAllConnections()
})
const serve = async (answer: (request: IncomingMessage, response: ServerResponse) => void) => {
  server = createServer(answer).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
}
const start = (command: string) => {
  const env = { PATH: process.env['PATH'] ?? '' }
  const commands = new Commands(
    () => env,
    new Activity(),
    () => {},
  )
  return commands.start(parseExec({ command }, '/tmp', { alwaysBackground: false }))
}
const BOTH = { stdout: 0, stderr: 0 }

it('a silent command is heard of, by lines that are empty', async () => {
  const answer = await serve((_request, response) => {
    void start('sleep 1; echo done').then((command) => streamEvents(command, response, BOTH, 100))
  })
  const lines = (await answer.text()).trimEnd().split('\n')
  const types = lines.flatMap((line) => (line === '' ? [] : [JSON.parse(line).type as string]))
  expect(types).toEqual(['start', 'stdout', 'exit'])
  expect(lines.indexOf('')).toBe(1)
  expect(lines.filter((line) => line === '').length).toBeGreaterThan(2)
})

it('a client that left while its command was started is noticed', async () => {
  let noticed: Promise<unknown> | undefined
  const left = serve((request, response) => {
    request.socket.destroy()
    noticed = start('exec sleep 5').then(async (command) => {
      await sleep(100)
      await streamEvents(command, response, BOTH)
      const running = command.exit === undefined
      command.stop()
      return running
    })
  })
  await expect(left).rejects.toThrow()
  expect(await noticed).toBe(true)
})
