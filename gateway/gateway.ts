import { createServer, type Server } from 'node:http'
import type { Socket } from 'node:net'
import type { GatewayParts } from './parts.ts'
import { serveHttp } from './serve-http.ts'
import { serveSocket } from './serve-socket.ts'

export interface Gateway {
  readonly server: Server
  /** Not ready; sockets closed with 1012; requests under way get `drainMs`; then everything ends. */
  drain(): Promise<void>
}

/** parse → authorise → resolve → (wake) → pipe. Holds nothing that another gateway would need. */
export const createGateway = (parts: GatewayParts): Gateway => {
  const { config, passages } = parts
  const life = { draining: false }
  const server = createServer({
    maxHeaderSize: 32 * 1024,
    headersTimeout: 15_000,
    requestTimeout: 0, // uploads take as long as they take
    keepAliveTimeout: 65_000,
    connectionsCheckingInterval: 5_000,
    noDelay: true,
    keepAlive: true,
    insecureHTTPParser: false,
  })
  // All header lines are seen and counted; with a limit Node would drop the rest in silence.
  server.maxHeadersCount = 0
  // Node forgets connections that were upgraded; they must end too.
  const connections = new Set<Socket>()
  server.on('connection', (socket) => {
    connections.add(socket)
    socket.once('close', () => connections.delete(socket))
  })
  server.on('request', (request, response) => void serveHttp(request, response, parts, life))
  server.on(
    'upgrade',
    (request, socket, head) => void serveSocket(request, socket, head, parts, life),
  )

  return {
    server,
    async drain() {
      life.draining = true
      passages.endAll('socket', 'restarting')
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      const cut = setTimeout(() => {
        passages.endAll('http', 'restarting')
        for (const socket of connections) socket.destroy()
      }, config.drainMs)
      await closed
      clearTimeout(cut)
      passages.stop()
      parts.pools.destroy()
    },
  }
}
