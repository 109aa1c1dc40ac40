/**
 * For suites on this machine's own cluster: a host beyond the cluster that really answers at the given
 * addresses, so that a refusal is the wall's and not the silence of nobody being there.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { runTool } from '../../local/run-tool.ts'

const NAMESPACE = 'dormouse-outside'
const LINK = 'dormouse-out0'
const OUR_IP = '203.0.113.1'

export interface Outside {
  readonly port: number
  end(): Promise<void>
}

const LISTEN = `
for (const host of process.argv.slice(2))
  require('node:net').createServer((s) => s.end()).listen(Number(process.argv[1]), host)
setTimeout(() => console.log('ready'), 300)
`

/** Answers on TCP `port` of each of `addresses` (IPv4), which this machine then reaches over a link of its own. */
export const openOutside = async (addresses: readonly string[], port = 8080): Promise<Outside> => {
  await removeNetwork()
  await ip('netns', 'add', NAMESPACE)
  const peer = ['type', 'veth', 'peer', 'name', 'eth0', 'netns', NAMESPACE]
  await ip('link', 'add', LINK, ...peer)
  await ip('addr', 'add', `${OUR_IP}/32`, 'dev', LINK)
  await ip('link', 'set', LINK, 'up')
  const inside = ['-n', NAMESPACE]
  await ip(...inside, 'link', 'set', 'lo', 'up')
  await ip(...inside, 'link', 'set', 'eth0', 'up')
  for (const address of addresses) {
    await ip(...inside, 'addr', 'add', `${address}/32`, 'dev', 'eth0')
    await ip('route', 'add', `${address}/32`, 'dev', LINK)
  }
  await ip(...inside, 'route', 'add', `${OUR_IP}/32`, 'dev', 'eth0')
  await ip(...inside, 'route', 'add', 'default', 'via', OUR_IP)
  const server = spawn(
    'ip',
    ['netns', 'exec', NAMESPACE, process.execPath, '-e', LISTEN, String(port), ...addresses],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  await once(server.stdout, 'data')
  return {
    port,
    async end() {
      server.kill()
      await removeNetwork()
    },
  }
}

const removeNetwork = async (): Promise<void> => {
  await ip('netns', 'del', NAMESPACE).catch(() => undefined)
  await ip('link', 'del', LINK).catch(() => undefined)
}

const ip = (...args: readonly string[]): Promise<string> => runTool('ip', args)
