import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'

/**
 * The API as far as the gateway calls it: writes down who asked for which wake, and does what the
 * suite says. The whole API stands behind the gateway in test/main-line.e2e.test.ts.
 */
export const startWakeDesk = async () => {
  const asked: { readonly path: string; readonly headers: IncomingHttpHeaders }[] = []
  let onWake: (computeId: string) => Promise<{ status: number; body?: object }> = async () => ({
    status: 200,
  })
  const server = createServer((request, response) => {
    asked.push({ path: request.url ?? '', headers: request.headers })
    request.resume()
    const [, computeId = ''] = /^\/api\/computes\/([^/]+)\/wake\?/.exec(request.url ?? '') ?? []
    void onWake(computeId).then(({ status, body }) =>
      response
        .writeHead(status, { 'content-type': 'application/json' })
        .end(JSON.stringify(body ?? {})),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
  return {
    port: (server.address() as AddressInfo).port,
    asked,
    answer: (with_: typeof onWake) => void (onWake = with_),
    close: () => {
      server.closeAllConnections()
      return new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}
