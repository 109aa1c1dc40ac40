import { once } from 'node:events'
import { createServer, get, type IncomingMessage } from 'node:http'
import { connect, createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net'
import { expect, it } from 'vitest'
import { passSocketRefusal } from './forward-socket.ts'

it(
  'a client that was refused a socket and does not close is cut',
  { timeout: 20_000 },
  async () => {
    const sidekick = createServer((_request, response) => response.writeHead(403).end('no'))
    const gateway = createTcpServer({ allowHalfOpen: true })
    for (const server of [sidekick, gateway]) {
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
    }
    const portOf = (server: typeof gateway) => (server.address() as AddressInfo).port
    const visitor = connect({ port: portOf(gateway), host: '127.0.0.1', allowHalfOpen: true })
    visitor.on('error', () => {}).resume()
    const [client] = (await once(gateway, 'connection')) as [Socket]
    client.on('error', () => {}).resume()
    const refusal = await new Promise<IncomingMessage>((resolve) =>
      get(`http://127.0.0.1:${portOf(sidekick as never)}`, resolve),
    )
    passSocketRefusal(client, refusal, true)
    const startedAt = Date.now()
    await Promise.race([once(client, 'close'), new Promise((give) => setTimeout(give, 12_000))])
    const tookMs = Date.now() - startedAt
    visitor.destroy()
    client.destroy()
    sidekick.close()
    gateway.close()
    expect(tookMs).toBeLessThan(10_000)
  },
)
