import { createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { expect, it } from 'vitest'
import { reachedCanary } from './canary.ts'

const listening = async () => {
  const server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`
  return { address, close: () => new Promise((resolve) => server.close(resolve)) }
}

it('finds no fault where nothing is reached', async () => {
  expect(await reachedCanary([])).toBeNull()
  const { address, close } = await listening()
  await close()
  expect(await reachedCanary([address, 'no-such-name.invalid:443'])).toBeNull()
})

it('names the address that is reached to the end', async () => {
  const [closed, open] = [await listening(), await listening()]
  await closed.close()
  expect(await reachedCanary([closed.address, open.address], 200)).toBe(open.address)
  await open.close()
})

it('waits for a wall that is put up a moment late', async () => {
  const { address, close } = await listening()
  setTimeout(() => void close(), 150)
  expect(await reachedCanary([address], 5_000)).toBeNull()
})
