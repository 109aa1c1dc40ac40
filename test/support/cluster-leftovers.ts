/** What a stack on the cluster has left there, and what of it is nobody's any more. */
import { connectCluster } from '../../activities/adapters/kubernetes/cluster.ts'
import { createS3Store } from '../../activities/adapters/s3/store.ts'
import { storeConfig } from '../../config/config.ts'
import { processes } from '../../deploy/cluster/leftovers.ts'
import { kubectl } from './workloads.ts'
import type { Stack } from './stack.ts'

/** Everything but pods that a compute could leave behind in the stack's two namespaces. */
const KINDS = 'secrets,networkpolicies,persistentvolumeclaims,configmaps,services,serviceaccounts'

/** Names of objects of the cluster; the chart's own are the same before and after. */
export const objectsOf = async (stack: Stack): Promise<readonly string[]> => {
  const namespace = stack.env['DORMOUSE_KUBERNETES_NAMESPACE'] ?? ''
  const all = await Promise.all(
    [namespace, `${namespace}-system`].map((one) =>
      kubectl(['--namespace', one, 'get', KINDS, '--output', 'name']),
    ),
  )
  return all.flatMap((names, index) =>
    names.split('\n').flatMap((name) => (name === '' ? [] : [`${index} ${name}`])),
  )
}

/**
 * Of a stack whose computes were all deleted: one line for each thing that should not be there.
 * `untilSwept`: without uploads that a killed data worker left, whose intent the sweeper knows.
 */
export const orphansOf = async (
  stack: Stack,
  { untilSwept = false }: { readonly untilSwept?: boolean } = {},
): Promise<readonly string[]> => {
  const namespace = stack.env['DORMOUSE_KUBERNETES_NAMESPACE'] ?? ''
  const { core } = connectCluster(stack.env['KUBECONFIG'])
  const { items: pods } = await core.listNamespacedPod({ namespace })
  const sandboxes = (await processes()).filter(({ argv }) =>
    argv.some((word) => word.includes(`/${namespace}_`)),
  )
  const store = createS3Store(storeConfig(stack.env))
  const uploads = await store.listUploads('')
  store.close()
  const parts = await stack.db.selectFrom('parts').select('key').execute()
  const known = new Set(parts.map(({ key }) => key))
  const generations = await stack.db
    .selectFrom('sandboxes')
    .select(['compute_id', 'generation'])
    .where('ended_at', 'is', null)
    .execute()
  return [
    ...pods.map((pod) => `pod ${pod.metadata?.name}`),
    ...sandboxes.map(({ pid, argv }) => `process ${pid} ${argv[0]}`),
    ...uploads
      .filter(({ key }) => !untilSwept || !known.has(key))
      .map(({ key }) => `upload of ${key}`),
    ...generations.map((one) => `generation ${one.generation} of ${one.compute_id} is not ended`),
  ]
}
