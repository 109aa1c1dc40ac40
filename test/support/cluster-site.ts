/** A stack's computes as pods: behind the chart's walls, in a namespace of their own. */
import { isNotFound } from '../../activities/adapters/kubernetes/api-errors.ts'
import { connectCluster } from '../../activities/adapters/kubernetes/cluster.ts'
import { LABELS } from '../../activities/adapters/kubernetes/labels.ts'
import type { Site } from './stack.ts'
import { installWorkloads } from './workloads.ts'

/** In the cluster of KUBECONFIG, whose nodes have the images `base` and `sidekick`. `values`: the chart's. */
export const clusterSite = async (
  name: string,
  values: Readonly<Record<string, unknown>> = {},
): Promise<Site> => {
  const kubeconfig = process.env['KUBECONFIG']
  if (kubeconfig === undefined)
    throw new Error('KUBECONFIG is not set: npm run cluster:up makes a cluster')
  const { core } = connectCluster(kubeconfig)
  const namespace = `suite-${name}`
  const workloads = await installWorkloads(namespace, { values })
  const pods = async (computeId?: string) => {
    const labelSelector =
      computeId === undefined ? LABELS.compute : `${LABELS.compute}=${computeId}`
    const { items } = await core.listNamespacedPod({ namespace, labelSelector })
    return items.map((pod) => pod.metadata?.name ?? '')
  }
  return {
    env: {
      KUBECONFIG: kubeconfig,
      DORMOUSE_RUNTIME: 'kubernetes',
      DORMOUSE_OBSERVER: 'own-process',
      DORMOUSE_KUBERNETES_NAMESPACE: namespace,
      DORMOUSE_KUBERNETES_SYSTEM_NAMESPACE: `${namespace}-system`,
      DORMOUSE_KUBERNETES_INSTALLATION: namespace,
      DORMOUSE_KUBERNETES_ADMISSION_POLICY: workloads.admissionPolicy,
      DORMOUSE_KUBERNETES_BASE_IMAGE:
        process.env['DORMOUSE_KUBERNETES_BASE_IMAGE'] ?? 'docker.io/dormouse/base:dev',
      DORMOUSE_KUBERNETES_SIDEKICK_IMAGE:
        process.env['DORMOUSE_KUBERNETES_SIDEKICK_IMAGE'] ?? 'docker.io/dormouse/sidekick:dev',
      DORMOUSE_KUBERNETES_SIDEKICK_MOUNT:
        process.env['DORMOUSE_KUBERNETES_SIDEKICK_MOUNT'] ?? 'auto',
      DORMOUSE_KUBERNETES_IMAGE_PULL_POLICY: 'Never',
      // twenty computes share one small node
      DORMOUSE_KUBERNETES_REQUEST_PERCENT: '2',
    },
    services: ['observer'],
    sandboxes: pods,
    async end() {
      for (const name of await pods())
        await core
          .deleteNamespacedPod({ name, namespace, gracePeriodSeconds: 0 })
          .catch((error: unknown) => {
            // It went by itself meanwhile.
            if (!isNotFound(error)) throw error
          })
      await workloads.end()
    },
  }
}
