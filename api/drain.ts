import type { Socket } from 'node:net'
import type { App } from './deps.ts'

/** What was sent before the closing began may still be on its way. */
const SILENT_FOR_MS = 1_000

/**
 * While the API closes, no connection holds up the end of the process: each goes with its answer, since
 * Fastify closes only those that were idle when the closing began; and those that browsers open ahead and
 * never asked anything, which Node takes for busy, go a moment later.
 */
export const registerDrain = (app: App): void => {
  const silent = new Set<Socket>()
  let closing = false
  app.server.on('connection', (socket: Socket) => {
    silent.add(socket)
    socket.once('close', () => silent.delete(socket))
  })
  app.server.on('request', ({ socket }) => silent.delete(socket))
  app.addHook('preClose', async () => {
    closing = true
    setTimeout(() => silent.forEach((socket) => socket.destroy()), SILENT_FOR_MS).unref()
  })
  app.addHook('onResponse', async (request) => {
    // After what is still to be written.
    if (closing) request.raw.socket.destroySoon()
  })
}
