/** The few things asked of the API about pods, each with the platform's errors. */
import type { V1Pod } from '@kubernetes/client-node'
import { isConflict, isNotFound, unavailable } from './api-errors.ts'
import type { Cluster } from './cluster.ts'

export interface Pods {
  /** Straight from the API, with the version a watch can go on from. `namespace` undefined: in all. */
  list(namespace: string | undefined, labelSelector: string): Promise<PodList>
  find(namespace: string, name: string): Promise<V1Pod | undefined>
  /** Errors of the API as they are: only the caller knows what a refusal means. */
  create(namespace: string, pod: V1Pod): Promise<V1Pod>
  /** Tells that pod and no other of its name to end. */
  end(pod: V1Pod, graceSeconds: number): Promise<void>
  /** `end`, and waits until its object is gone. False: it is still there. */
  remove(pod: V1Pod, graceSeconds: number, withinMs: number): Promise<boolean>
  /** What went wrong with it lately, in the cluster's words, newest last. Status comes up to 15 s later. */
  warnings(pod: V1Pod): Promise<readonly Warning[]>
  /** Each state of one pod from now on, until `signal`; undefined: it is gone. Ends never by itself. */
  follow(pod: V1Pod, onState: (pod: V1Pod | undefined) => void, signal: AbortSignal): Promise<void>
}

export interface Warning {
  readonly reason: string
  readonly message: string
}

export interface PodList {
  readonly items: readonly V1Pod[]
  readonly resourceVersion: string
}

const RETRY_WATCH_MS = 300

export const openPods = (cluster: Cluster): Pods => {
  const { core } = cluster
  const find: Pods['find'] = async (namespace, name) => {
    try {
      return await core.readNamespacedPod({ namespace, name })
    } catch (error) {
      if (isNotFound(error)) return undefined
      throw unavailable(error)
    }
  }

  const follow: Pods['follow'] = async (pod, onState, signal) => {
    const { namespace, name, uid, version } = identity(pod)
    let from = version
    while (!signal.aborted) {
      const path = `/api/v1/namespaces/${namespace}/pods`
      const query = { fieldSelector: `metadata.name=${name}`, resourceVersion: from }
      await cluster
        .watch<V1Pod>(
          path,
          query,
          (type, seen) => {
            if (type === 'ERROR' || type === 'BOOKMARK') return
            if (seen.metadata?.uid !== uid) return
            from = seen.metadata?.resourceVersion ?? from
            onState(type === 'DELETED' ? undefined : seen)
          },
          signal,
        )
        // Too old a version, a restarted API server: what is true is read again below.
        .catch(() => undefined)
      if (signal.aborted) return
      await new Promise((resolve) => setTimeout(resolve, RETRY_WATCH_MS))
      const now = await find(namespace, name).catch(() => 'unknown' as const)
      if (now === 'unknown' || signal.aborted) continue
      const same = now?.metadata?.uid === uid ? now : undefined
      from = same?.metadata?.resourceVersion ?? from
      onState(same)
      if (same === undefined) return
    }
  }

  return {
    find,
    follow,
    async list(namespace, labelSelector) {
      try {
        const { items, metadata } =
          namespace === undefined
            ? await core.listPodForAllNamespaces({ labelSelector })
            : await core.listNamespacedPod({ namespace, labelSelector })
        return { items, resourceVersion: metadata?.resourceVersion ?? '' }
      } catch (error) {
        throw unavailable(error)
      }
    },
    async warnings(pod) {
      const { namespace, uid } = identity(pod)
      const fieldSelector = `involvedObject.uid=${uid},type=Warning`
      try {
        const { items } = await core.listNamespacedEvent({ namespace, fieldSelector })
        return items.map(({ reason = '', message = '' }) => ({ reason, message }))
      } catch (error) {
        throw unavailable(error)
      }
    },
    create: (namespace, body) => core.createNamespacedPod({ namespace, body }),
    end,
    async remove(pod, graceSeconds, withinMs) {
      await end(pod, graceSeconds)
      return goneWithin(pod, withinMs)
    },
  }

  async function end(pod: V1Pod, graceSeconds: number): Promise<void> {
    const { namespace, name, uid } = identity(pod)
    try {
      const body = { gracePeriodSeconds: graceSeconds, preconditions: { uid } }
      await core.deleteNamespacedPod({ namespace, name, body })
    } catch (error) {
      // Gone, or its name is another pod's by now.
      if (!isNotFound(error) && !isConflict(error)) throw unavailable(error)
    }
  }

  async function goneWithin(pod: V1Pod, withinMs: number): Promise<boolean> {
    const { namespace, name, uid } = identity(pod)
    const stop = new AbortController()
    const timer = setTimeout(() => stop.abort(), withinMs)
    try {
      const now = await find(namespace, name)
      if (now?.metadata?.uid !== uid) return true
      let gone = false
      await follow(
        now,
        (state) => {
          gone = state === undefined
          if (gone) stop.abort()
        },
        stop.signal,
      )
      return gone
    } finally {
      clearTimeout(timer)
    }
  }
}

const identity = (pod: V1Pod) => ({
  namespace: pod.metadata?.namespace ?? '',
  name: pod.metadata?.name ?? '',
  uid: pod.metadata?.uid ?? '',
  version: pod.metadata?.resourceVersion ?? '',
})
