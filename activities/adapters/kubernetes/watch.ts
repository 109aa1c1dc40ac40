import { makeInformer, type Informer, type V1Node, type V1Pod } from '@kubernetes/client-node'
import type { SandboxSeen } from '../../ports.ts'
import type { Cluster } from './cluster.ts'
import { selector } from './labels.ts'
import { isCutOff } from './pod-state.ts'
import { seenOf, seenOfRemoved } from './seen.ts'
import { sidekickAnswers } from './started-pod.ts'

export interface WatchConfig {
  readonly namespaces: readonly string[]
  readonly installation: string
}

/** What lasts is told again: a signal that was lost costs this. */
const TELL_AGAIN_MS = 15_000
const RESTART_MS = 1_000

/** Tells of every pod of one installation, until `signal`. */
export const watchSandboxes = (
  cluster: Cluster,
  { namespaces, installation }: WatchConfig,
  tell: (seen: SandboxSeen) => void,
  signal: AbortSignal,
): void => {
  const { core, config } = cluster
  const labelSelector = selector(installation)
  const informers = namespaces.map((namespace) =>
    makeInformer<V1Pod>(
      config,
      `/api/v1/namespaces/${namespace}/pods`,
      () => core.listNamespacedPod({ namespace, labelSelector }),
      labelSelector,
    ),
  )
  const pods = () => informers.flatMap((informer) => informer.list())
  const nodes = makeInformer<V1Node>(config, '/api/v1/nodes', () => core.listNode())

  const look = (pod: V1Pod): void => {
    if (signal.aborted) return
    if (isCutOff(pod)) return void lookAtCutOff(pod)
    const seen = seenOf(pod, nodes.get(pod.spec?.nodeName ?? ''))
    if (seen !== undefined) tell(seen)
  }
  /** Nobody can say whether it runs but its sidekick: one that answers is saved and moved. */
  const lookAtCutOff = async (pod: V1Pod): Promise<void> => {
    const seen = seenOfRemoved(pod)
    if (seen === undefined) return
    const { computeId, generation } = seen
    const up = await sidekickAnswers(pod)
    if (signal.aborted) return
    if (up) tell({ computeId, generation, what: 'draining', why: 'drain' })
    else tell({ computeId, generation, what: 'gone', why: 'node_lost' })
  }
  const lookAtAll = (): void => pods().forEach(look)

  for (const informer of informers) {
    informer.on('add', look)
    informer.on('update', look)
    informer.on('delete', (pod) => {
      const seen = seenOfRemoved(pod)
      if (seen !== undefined && !signal.aborted) tell(seen)
    })
    keepGoing(informer, signal)
  }
  nodes.on('add', lookAtAll)
  nodes.on('update', (node) => {
    for (const pod of pods()) if (pod.spec?.nodeName === node.metadata?.name) look(pod)
  })
  keepGoing(nodes, signal)
  const again = setInterval(lookAtAll, TELL_AGAIN_MS)
  signal.addEventListener('abort', () => clearInterval(again), { once: true })
}

/** The library's informers end at an error; then they list anew, so that nothing is missed. */
const keepGoing = <T extends V1Pod | V1Node>(informer: Informer<T>, signal: AbortSignal): void => {
  const restart = (): void => {
    if (signal.aborted) return
    setTimeout(() => !signal.aborted && void start(), RESTART_MS).unref()
  }
  const start = (): Promise<void> => informer.start().catch(restart)
  informer.on('error', restart)
  signal.addEventListener('abort', () => void informer.stop(), { once: true })
  void start()
}
