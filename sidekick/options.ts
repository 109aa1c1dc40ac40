import { parseArgs } from 'node:util'
import { isOwnPidNamespace } from './processes.ts'

const HELP =
  'usage: sidekick.mjs (--socket PATH | --port N [--host H]) [--home DIR] [--env-dir DIR] ' +
  '[--scratch DIR] [--own-pid-namespace] [--own-network] [--term-grace-ms N] ' +
  '[--memory-bytes N] [--pids N] [--canary HOST:PORT]…'

export interface Options {
  readonly listen: { readonly path: string } | { readonly port: number; readonly host: string }
  readonly home: string
  readonly env: string
  readonly scratch: string
  /** All of /proc is this compute's: freeze, CPU and ports look at every process in it. */
  readonly ownPidNamespace: boolean
  /** No process outside the compute shares its network: any listener may be proxied. */
  readonly ownNetwork: boolean
  /** After SIGTERM stay up this long for a last save, until retired. */
  readonly termGraceMs: number
  /** What users' processes may take together, and how many they may be; 0: somebody else sees to it. */
  readonly memoryBytes: number
  readonly pids: number
  /** Nothing opens before none of these can be reached. */
  readonly canaries: readonly string[]
  readonly cpuWindowMs: number
  readonly pingIntervalMs: number | undefined
}

/** Errors: a plain Error that says how to call it. */
export const parseOptions = (
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Options => {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      socket: { type: 'string' },
      port: { type: 'string' },
      host: { type: 'string', default: '0.0.0.0' },
      home: { type: 'string', default: '/home/user' },
      'env-dir': { type: 'string', default: '/opt/env' },
      scratch: { type: 'string', default: '/tmp' },
      'own-pid-namespace': { type: 'boolean', default: false },
      'own-network': { type: 'boolean', default: false },
      'term-grace-ms': { type: 'string', default: '0' },
      'memory-bytes': { type: 'string', default: '0' },
      pids: { type: 'string', default: '0' },
      canary: { type: 'string', multiple: true, default: [] },
    },
  })
  if ((values.socket === undefined) === (values.port === undefined)) throw new Error(HELP)
  return {
    listen:
      values.socket !== undefined
        ? { path: values.socket }
        : { port: whole(values.port ?? '', '--port'), host: values.host },
    home: values.home,
    env: values['env-dir'],
    scratch: values.scratch,
    ownPidNamespace: values['own-pid-namespace'] || isOwnPidNamespace(),
    ownNetwork: values['own-network'],
    termGraceMs: whole(values['term-grace-ms'], '--term-grace-ms'),
    memoryBytes: whole(values['memory-bytes'], '--memory-bytes'),
    pids: whole(values.pids, '--pids'),
    canaries: values.canary.map(address),
    cpuWindowMs: whole(env['DORMOUSE_CPU_WINDOW_MS'] ?? '300000', 'DORMOUSE_CPU_WINDOW_MS'),
    pingIntervalMs: env['DORMOUSE_PING_INTERVAL_MS']
      ? whole(env['DORMOUSE_PING_INTERVAL_MS'], 'DORMOUSE_PING_INTERVAL_MS')
      : undefined,
  }
}

const address = (text: string): string => {
  if (!/^.+:\d{1,5}$/.test(text)) throw new Error(`--canary must be HOST:PORT. ${HELP}`)
  return text
}

const whole = (text: string, name: string): number => {
  if (!/^\d{1,15}$/.test(text)) throw new Error(`${name} must be a whole number. ${HELP}`)
  return Number(text)
}
