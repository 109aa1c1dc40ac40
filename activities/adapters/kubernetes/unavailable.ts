import { codeOf, isNotFound, messageOf } from './api-errors.ts'
import type { Cluster } from './cluster.ts'
import type { PodShape } from './pod-manifest.ts'

/** Why no compute can be started in this cluster and what mends it; null when one can. */
export const whyUnavailable = async (
  { core, nodes }: Cluster,
  { namespace, runtimeClass }: Pick<PodShape, 'namespace' | 'runtimeClass'>,
): Promise<string | null> => {
  const missing = async (ask: () => Promise<unknown>, mend: string): Promise<string | null> => {
    try {
      await ask()
      return null
    } catch (error) {
      if (isNotFound(error)) return mend
      // Not allowed to look is no answer: the start itself will tell.
      if (codeOf(error) === 403) return null
      return `the Kubernetes API does not answer: ${messageOf(error)}; check KUBECONFIG`
    }
  }
  const namespaceMissing = await missing(
    () => core.readNamespace({ name: namespace }),
    `namespace ${namespace} is not there; run: kubectl create namespace ${namespace}`,
  )
  if (namespaceMissing !== null) return namespaceMissing
  return missing(
    () => nodes.readRuntimeClass({ name: runtimeClass }),
    `RuntimeClass ${runtimeClass} is not there; install gVisor on the nodes, then see docs/kubernetes-runtime.md`,
  )
}
