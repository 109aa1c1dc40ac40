import type { V1Node, V1Pod } from '@kubernetes/client-node'
import { isNotFound, unavailable } from './api-errors.ts'
import type { Cluster } from './cluster.ts'

/** Its kubelet has not been heard of for the cluster's own grace (40 s), or the node was removed. */
export const isNodeGone = async ({ core }: Cluster, pod: V1Pod): Promise<boolean> => {
  const name = pod.spec?.nodeName
  if (name === undefined) return false
  try {
    return !isReady(await core.readNode({ name }))
  } catch (error) {
    if (isNotFound(error)) return true
    throw unavailable(error)
  }
}

/** `Unknown` is the cluster's word for a node it does not hear; `False` is a node that speaks. */
export const isReady = (node: V1Node): boolean =>
  node.status?.conditions?.find(({ type }) => type === 'Ready')?.status !== 'Unknown'

/** Somebody means to take it away: a drain cordons, autoscalers say so by a taint of their own. */
export const isCordoned = ({ spec }: V1Node): boolean =>
  spec?.unschedulable === true || (spec?.taints ?? []).some(({ key }) => LEAVING.has(key))

const LEAVING = new Set([
  'karpenter.sh/disrupted',
  'karpenter.sh/disruption', // before Karpenter 1.0
  'ToBeDeletedByClusterAutoscaler',
])
