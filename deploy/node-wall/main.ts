/**
 * Main of the node wall: one on each node. NetworkPolicies of most plugins do not see what a pod sends to
 * its own node's addresses, or not to all ports; this closes them to pods of computes, as soon as the API
 * tells their address. While there are computes the rules stay when it ends: a wall that is down while its
 * keeper restarts is none.
 */
import { createHash } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { connectCluster } from '../../activities/adapters/kubernetes/cluster.ts'
import { selector } from '../../activities/adapters/kubernetes/labels.ts'
import { lowerWall, raiseWall } from './packet-filter.ts'

const required = (name: string): string => {
  const value = process.env[name]
  if (value === undefined || value === '') throw new Error(`${name} is not set`)
  return value
}
const list = (name: string): readonly string[] =>
  (process.env[name] ?? '').split(',').filter(Boolean)

/** Also without news: somebody may have emptied the packet filter. */
const AGAIN_AFTER_MS = 5_000
const READY_FILE = '/tmp/ready'

const logger = pino({ name: 'node-wall' })
const node = required('NODE_NAME')
const namespaces = required('DORMOUSE_WALL_NAMESPACES').split(',')
const installation = required('DORMOUSE_KUBERNETES_INSTALLATION')
const resolvers = list('DORMOUSE_WALL_RESOLVERS')
const chain = `DORMOUSE-${createHash('sha256').update(installation).digest('hex').slice(0, 12)}`
const cluster = connectCluster()
const query = { labelSelector: selector(installation), fieldSelector: `spec.nodeName=${node}` }

const bell = new EventEmitter()
let pods: readonly string[] | undefined
const end = new AbortController()
process.once('SIGTERM', () => end.abort())
process.once('SIGINT', () => end.abort())

await Promise.all([...namespaces.map(watch), keep()])
// Left behind by the last of an installation, rules would hold back whoever gets those addresses next.
// The last look counts: with the release goes the right to look again.
if (pods?.length === 0) await lowerWall(chain)
process.exit(0)

/** A watch that ended, for whatever reason, is begun again; what it missed the next look sees. */
async function watch(namespace: string): Promise<void> {
  while (!end.signal.aborted) {
    await cluster
      .watch(`/api/v1/namespaces/${namespace}/pods`, query, () => bell.emit('news'), end.signal)
      .catch((error: unknown) => logger.warn({ error: String(error) }, 'the watch ended'))
    await sleep(500)
  }
}

async function keep(): Promise<void> {
  while (!end.signal.aborted) {
    // Listened to before the look, so that nothing falls between the two.
    const signal = AbortSignal.any([end.signal, AbortSignal.timeout(AGAIN_AFTER_MS)])
    const news = once(bell, 'news', { signal }).catch(() => undefined)
    try {
      pods = (await Promise.all(namespaces.map(podsOf))).flat()
      await raiseWall({ chain, pods, resolvers })
      await writeFile(READY_FILE, '')
      await news
    } catch (error) {
      logger.error({ error: String(error) }, 'the wall could not be raised')
      await sleep(500)
    }
  }
}

async function podsOf(namespace: string): Promise<readonly string[]> {
  const { items } = await cluster.core.listNamespacedPod({ namespace, ...query })
  return items.flatMap(({ status }) =>
    // What ended may have handed its address on.
    status?.phase === 'Succeeded' || status?.phase === 'Failed'
      ? []
      : (status?.podIPs ?? []).flatMap(({ ip }) => ip ?? []),
  )
}
