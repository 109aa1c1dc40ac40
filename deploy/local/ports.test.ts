import { createServer, type Server } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { choosePorts, PortInUse } from './ports.ts'

const servers: Server[] = []
afterEach(() => {
  for (const server of servers.splice(0)) server.close()
})

test('a preferred port that is free is taken', async () => {
  const port = await occupied()
  servers.pop()?.close()
  const { ports, moved } = await choosePorts([{ name: 'api', preferred: port }], {})
  expect(ports.api).toBe(port)
  expect(moved).toEqual([])
})

test('a preferred port in use is replaced, and its holder is named', async () => {
  const port = await occupied()
  const { ports, moved } = await choosePorts([{ name: 'api', preferred: port }], {})
  expect(ports.api).toBeGreaterThan(port)
  expect(moved).toEqual([
    {
      name: 'api',
      wanted: port,
      taken: ports.api,
      heldBy: expect.stringContaining(`pid ${process.pid}`),
    },
  ])
})

test('a port fixed by a variable and in use is refused with the variable and the holder', async () => {
  const port = await occupied()
  const wish = { name: 'api', preferred: 8080, variable: 'DORMOUSE_API_PORT' }
  const chosen = choosePorts([wish], { DORMOUSE_API_PORT: String(port) })
  await expect(chosen).rejects.toThrow(PortInUse)
  await expect(chosen).rejects.toThrow(`set by DORMOUSE_API_PORT) is in use by`)
  await expect(chosen).rejects.toThrow(`pid ${process.pid}`)
})

test('a variable that is no port is refused by name', async () => {
  const wish = { name: 'api', preferred: 8080, variable: 'DORMOUSE_API_PORT' }
  await expect(choosePorts([wish], { DORMOUSE_API_PORT: '80a' })).rejects.toThrow(
    'DORMOUSE_API_PORT must be a port from 1 to 65535, not "80a"',
  )
})

test('two wishes never get the same port', async () => {
  const port = await occupied()
  servers.pop()?.close()
  const wishes = [
    { name: 'a', preferred: port },
    { name: 'b', preferred: port },
  ]
  const { ports } = await choosePorts(wishes, {})
  expect(ports['a']).not.toBe(ports['b'])
})

const occupied = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address()
      resolve(typeof address === 'object' && address !== null ? address.port : 0)
    })
    servers.push(server)
  })
