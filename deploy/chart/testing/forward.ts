import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

export interface Forward {
  /** `host:port` that leads there. */
  readonly address: string
  close(): void
}

/** Takes TCP connections on `port` of `host`, by default a free one, and carries each to what `to` then answers, `host:port`. */
export const forward = async (host: string, to: () => string, port = 0): Promise<Forward> => {
  const open = new Set<Socket>()
  const server = createServer((near) => {
    const target = new URL(`tcp://${to()}`)
    const far = connect(Number(target.port), target.hostname)
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(one)
      one.pipe(other)
      one.once('error', () => other.destroy())
      one.once('close', () => open.delete(one))
    }
  }).listen(port, host)
  await once(server, 'listening')
  return {
    address: `${host}:${(server.address() as AddressInfo).port}`,
    close() {
      server.close()
      for (const socket of open) socket.destroy()
    },
  }
}
