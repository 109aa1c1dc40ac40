import { createHash } from 'node:crypto'
import { Agent } from 'node:http'
import type { Duplex } from 'node:stream'
import type { IpcNetConnectOpts, TcpNetConnectOpts } from 'node:net'
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls'
import type { DirectoryEntry } from '../records/directory.ts'

export type Endpoint = NonNullable<DirectoryEntry['endpoint']>

/** No byte of the request was sent: it may be tried again, also elsewhere. */
export class DialError extends Error {}

const DIAL_TIMEOUT_MS = 5_000

/** A TLS connection to exactly that sidekick: nothing is sent before its certificate is the recorded one. */
export const dialSidekick = ({ address, fingerprint }: Endpoint): Promise<TLSSocket> =>
  new Promise((resolve, reject) => {
    const where: TcpNetConnectOpts | IpcNetConnectOpts =
      address.kind === 'unix' ? { path: address.path } : { host: address.host, port: address.port }
    const socket = connect({
      ...where,
      // The recorded fingerprint is the whole trust: a sidekick's certificate is its own.
      rejectUnauthorized: false,
      minVersion: 'TLSv1.3',
    } as ConnectionOptions)
    const timer = setTimeout(() => fail(new Error('timed out')), DIAL_TIMEOUT_MS)
    const fail = (cause: Error) => {
      clearTimeout(timer)
      socket.destroy()
      reject(new DialError(`the sidekick was not reached: ${cause.message}`, { cause }))
    }
    socket.once('error', fail)
    // It may break at any moment later, also between two users: none must ever be without a listener.
    socket.on('error', () => {})
    socket.once('secureConnect', () => {
      clearTimeout(timer)
      const certificate = socket.getPeerX509Certificate()
      const seen = certificate && createHash('sha256').update(certificate.raw).digest('hex')
      if (seen !== fingerprint) return fail(new Error('another certificate than the recorded one'))
      socket.off('error', fail)
      socket.setNoDelay(true)
      socket.setKeepAlive(true, 30_000)
      resolve(socket)
    })
  })

/** Keep-alive connections per sidekick; an endpoint of another generation is another pool. */
export interface SidekickPools {
  agent(endpoint: Endpoint): Agent
  destroy(): void
}

const MAX_FREE_SOCKETS = 16
const IDLE_SOCKET_MS = 30_000

export const createSidekickPools = (onDial: (ok: boolean) => void = () => {}): SidekickPools => {
  const agents = new Map<string, PinnedAgent>()
  const sweep = setInterval(() => {
    for (const [key, agent] of agents)
      if (agent.isUnused()) {
        agent.destroy()
        agents.delete(key)
      }
  }, IDLE_SOCKET_MS)
  sweep.unref()
  return {
    agent(endpoint) {
      const key = JSON.stringify([endpoint.fingerprint, endpoint.address])
      const known = agents.get(key)
      if (known !== undefined) return known
      const agent = new PinnedAgent(endpoint, onDial)
      agents.set(key, agent)
      return agent
    },
    destroy() {
      clearInterval(sweep)
      for (const agent of agents.values()) agent.destroy()
      agents.clear()
    },
  }
}

class PinnedAgent extends Agent {
  readonly #endpoint: Endpoint
  readonly #onDial: (ok: boolean) => void
  constructor(endpoint: Endpoint, onDial: (ok: boolean) => void) {
    super({ keepAlive: true, maxFreeSockets: MAX_FREE_SOCKETS, timeout: IDLE_SOCKET_MS })
    this.#endpoint = endpoint
    this.#onDial = onDial
  }

  override createConnection(
    _options: unknown,
    done?: (error: Error | null, socket: Duplex) => void,
  ): Duplex {
    dialSidekick(this.#endpoint).then(
      (socket) => {
        this.#onDial(true)
        done?.(null, socket)
      },
      (error: Error) => {
        this.#onDial(false)
        done?.(error, undefined as unknown as Duplex)
      },
    )
    // Returning none makes Node wait for the callback, which its types do not know.
    return undefined as unknown as Duplex
  }

  isUnused(): boolean {
    return [this.sockets, this.freeSockets, this.requests].every(
      (lists) => Object.keys(lists).length === 0,
    )
  }
}
