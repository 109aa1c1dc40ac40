/** What probes and scrapers ask of a process that is no door. */
import { createServer, type Server } from 'node:http'

/** 200 or 503 at `address` (`host:port`; without one nobody answers): `/readyz` by `ready`, all else by `healthy`. */
export const answerHealth = (
  address: string | undefined,
  healthy: () => boolean,
  ready = healthy,
): Server | undefined =>
  listenAt(address, (url) => ({ status: (url === '/readyz' ? ready() : healthy()) ? 200 : 503 }))

export const listenAt = (
  address: string | undefined,
  answer: (url: string) => Answer | Promise<Answer>,
): Server | undefined => {
  if (address === undefined) return undefined
  const { hostname, port } = new URL(`http://${address}`)
  return createServer((request, response) => {
    void Promise.resolve(answer(request.url ?? '')).then(
      ({ status, type = 'text/plain', body = '' }) =>
        response.writeHead(status, { 'content-type': type }).end(body),
      () => response.writeHead(500).end(),
    )
  }).listen(Number(port), hostname)
}

interface Answer {
  readonly status: number
  readonly type?: string
  readonly body?: string
}
