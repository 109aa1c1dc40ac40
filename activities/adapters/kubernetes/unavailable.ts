import { codeOf, isNotFound, messageOf } from './api-errors.ts'
import type { Cluster } from './cluster.ts'

/** Why no compute can be started in this cluster and what mends it; null when one can. */
export const whyUnavailable = async (
  { core, nodes }: Cluster,
  namespaces: readonly string[],
  runtimeClass: string,
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
  for (const name of namespaces) {
    const namespaceMissing = await missing(
      () => core.readNamespace({ name }),
      `namespace ${name} is not there; the chart makes it, see docs/kubernetes.md`,
    )
    if (namespaceMissing !== null) return namespaceMissing
  }
  return missing(
    () => nodes.readRuntimeClass({ name: runtimeClass }),
    `RuntimeClass ${runtimeClass} is not there; install gVisor on the nodes, then see docs/kubernetes-runtime.md`,
  )
}
