import type { SidekickContext } from '../context.ts'
import { Failure } from '../errors.ts'
import type { Router } from '../router.ts'
import type { Sockets } from '../sockets.ts'
import { Agent } from './http.ts'
import type { Listeners } from './listeners.ts'
import { proxyHttp, proxyUpgrade } from './proxy.ts'

/** Before Node's own servers, at 5 s, and all slower ones end a connection that nobody uses. */
const IDLE_MS = 4_000
/** Of each server. Making a connection costs a sandbox more than the request on it. */
const MAX_KEPT = 16

export const registerPorts = (
  router: Router,
  { activity }: SidekickContext,
  listeners: Listeners,
  sockets: Sockets,
): void => {
  const kept = new Agent({ keepAlive: true, maxFreeSockets: MAX_KEPT, timeout: IDLE_MS })
  const open = { scope: 'use', during: ['open'] } as const
  const touch = (port: number) => () => activity.touch(`port:${port}`)

  router.on('GET', '/v1/ports', { scope: 'use', during: ['open', 'frozen'] }, () =>
    listeners.list(),
  )

  router.on('*', '/v1/ports/:port/*', open, async (call) => {
    const port = parsePort(call.params['port'] ?? '')
    touch(port)()
    await proxyHttp(call, listeners.find(port), touch(port), kept)
  })

  router.onUpgrade('/v1/ports/:port/*', open, async (call) => {
    const port = parsePort(call.params['port'] ?? '')
    touch(port)()
    await proxyUpgrade(call, listeners.find(port), touch(port), sockets)
  })
}

/** Decimal digits only: no sign, space, zero in front, hexadecimal or host. Errors: invalid. */
export const parsePort = (text: string): number => {
  const port = Number(text)
  if (!/^[1-9]\d{0,4}$/.test(text) || port > 65_535)
    throw new Failure('invalid', 'A port is a whole number from 1 to 65535.')
  return port
}
