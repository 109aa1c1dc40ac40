import type { V1Pod } from '@kubernetes/client-node'
import { expect, it } from 'vitest'
import { kubernetesRuntimeConfig } from '../../../config/kubernetes.ts'
import type { Cluster } from './cluster.ts'
import { LABELS } from './labels.ts'
import { createKubernetesRuntime } from './runtime.ts'

const podOf = (computeId: string): V1Pod => ({
  metadata: { labels: { [LABELS.compute]: computeId, [LABELS.generation]: '1' } },
})
const PODS: Readonly<Record<string, readonly V1Pod[]>> = {
  now: [podOf('new')],
  before: [podOf('old')],
  group: [podOf('grouped')],
  foreign: [podOf('foreign')],
}
const cluster = {
  core: {
    listNamespacedPod: ({ namespace }: { namespace: string }) =>
      Promise.resolve({ items: PODS[namespace] ?? [], metadata: {} }),
  },
} as unknown as Cluster

it('finds the pods of computes in the namespace that was theirs before, too', async () => {
  const config = kubernetesRuntimeConfig({
    DORMOUSE_KUBERNETES_BASE_IMAGE: 'base',
    DORMOUSE_KUBERNETES_SIDEKICK_IMAGE: 'sidekick',
    DORMOUSE_KUBERNETES_NAMESPACE: 'now',
    DORMOUSE_KUBERNETES_MORE_NAMESPACES: 'before, group',
    DORMOUSE_KUBERNETES_GROUP_NAMESPACES: 'g1=group',
  })
  const found = await createKubernetesRuntime(config, cluster).list()
  expect(found.map(({ computeId }) => computeId)).toEqual(['new', 'grouped', 'old'])
})
