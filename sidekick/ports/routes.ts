import type { SidekickContext } from '../context.ts'
import { Failure } from '../errors.ts'
import type { Router } from '../router.ts'
import type { Sockets } from '../sockets.ts'
import type { Listeners } from './listeners.ts'
import { proxyHttp, proxyUpgrade } from './proxy.ts'

export const registerPorts = (
  router: Router,
  { activity }: SidekickContext,
  listeners: Listeners,
  sockets: Sockets,
): void => {
  const open = { scope: 'use', during: ['open'] } as const
  const touch = (port: number) => () => activity.touch(`port:${port}`)

  router.on('GET', '/v1/ports', { scope: 'use', during: ['open', 'frozen'] }, () =>
    listeners.list(),
  )

  router.on('*', '/v1/ports/:port/*', open, async (call) => {
    const port = parsePort(call.params['port'] ?? '')
    touch(port)()
    await proxyHttp(call, listeners.find(port), touch(port))
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
