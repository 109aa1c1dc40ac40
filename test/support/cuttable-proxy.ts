/** A TCP proxy in front of a server that the test makes fail: refused, cut, or its answer lost. */
import { connect, createServer, type Socket } from 'node:net'

export interface CuttableProxy {
  readonly port: number
  /** How many connections met the fault so far. */
  readonly faults: number
  pass(): void
  /** Open connections are reset, new ones too. */
  refuse(): void
  /** Once that many bytes have gone towards the server, that connection is reset and new ones are refused. */
  cutAfter(bytes: number): void
  /** The server does what it is asked next, and whoever asked gets a reset connection for an answer. */
  loseNextAnswer(): void
  close(): Promise<void>
}

export const startCuttableProxy = (target: {
  readonly host: string
  readonly port: number
}): Promise<CuttableProxy> => {
  let limit = Number.POSITIVE_INFINITY
  let faults = 0
  let answersToLose = 0
  const open = new Set<Socket>()
  const server = createServer((client) => {
    if (limit === 0) {
      faults += 1
      client.resetAndDestroy()
      return
    }
    const upstream = connect(target)
    for (const socket of [client, upstream]) {
      socket.setNoDelay(true)
      open.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => open.delete(socket))
    }
    client.on('data', (bytes) => {
      limit -= bytes.length
      if (limit >= 0) return
      limit = 0
      faults += 1
      client.resetAndDestroy()
      upstream.resetAndDestroy()
    })
    client.pipe(upstream)
    upstream.on('data', () => {
      if (answersToLose === 0) return
      answersToLose -= 1
      faults += 1
      upstream.unpipe(client)
      client.resetAndDestroy()
      upstream.resetAndDestroy()
    })
    upstream.pipe(client)
    client.on('close', () => upstream.destroy())
    upstream.on('close', () => client.destroy())
  })
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      resolve({
        port: typeof address === 'object' && address !== null ? address.port : 0,
        get faults() {
          return faults
        },
        pass() {
          limit = Number.POSITIVE_INFINITY
          answersToLose = 0
        },
        refuse() {
          limit = 0
          for (const socket of open) socket.resetAndDestroy()
        },
        cutAfter: (bytes) => (limit = bytes),
        loseNextAnswer: () => (answersToLose += 1),
        close: () =>
          new Promise((done) => {
            for (const socket of open) socket.destroy()
            server.close(() => done())
          }),
      })
    })
  })
}
