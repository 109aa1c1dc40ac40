/** What an observer tells of a pod, from the pod and its node: pure. */
import type { V1Node, V1Pod } from '@kubernetes/client-node'
import type { SandboxSeen } from '../../ports.ts'
import { refOf } from './labels.ts'
import { isCordoned } from './node.ts'
import { endOf } from './pod-state.ts'

/** A pod that is there; undefined when there is nothing to tell. */
export const seenOf = (pod: V1Pod, node: V1Node | undefined): SandboxSeen | undefined => {
  const ref = refOf(pod)
  if (ref === undefined) return undefined
  const ended = endOf(pod)
  if (ended !== undefined) return { ...ref, what: 'gone', why: ended.because }
  const leaves = pod.metadata?.deletionTimestamp !== undefined
  // Deleted by force: nothing of it can be saved any more, and its end is told in a moment.
  if (leaves && pod.metadata?.deletionGracePeriodSeconds === 0) return undefined
  if (leaves || (node !== undefined && isCordoned(node)))
    return { ...ref, what: 'draining', why: 'drain' }
  return undefined
}

/** A pod whose object is gone: what was last known of it says why. */
export const seenOfRemoved = (pod: V1Pod): SandboxSeen | undefined => {
  const ref = refOf(pod)
  return ref && { ...ref, what: 'gone', why: endOf(pod)?.because ?? 'lost' }
}
