import { count, list, oneOf, optional, required, whole, type Env } from './variables.ts'

const groupNamespaces = (env: Env): Readonly<Record<string, string>> =>
  Object.fromEntries(
    list(env, 'DORMOUSE_KUBERNETES_GROUP_NAMESPACES').map((pair) => {
      const [group, namespace, ...more] = pair.split('=')
      if (!group || !namespace || more.length > 0)
        throw new Error(
          `DORMOUSE_KUBERNETES_GROUP_NAMESPACES must be <group id>=<namespace>, not "${pair}"`,
        )
      return [group, namespace]
    }),
  )

/** The API server is always there and never for computes: Kubernetes writes its address into every pod. */
const API_SERVER = '$(KUBERNETES_SERVICE_HOST):$(KUBERNETES_SERVICE_PORT)'

const canaries = (env: Env): readonly string[] => {
  const given = list(env, 'DORMOUSE_KUBERNETES_CANARIES')
  if (given.join() === 'unsafe-none') return []
  const bad = given.find((one) => !/^.+:\d{1,5}$/.test(one))
  if (bad !== undefined)
    throw new Error(`DORMOUSE_KUBERNETES_CANARIES must be host:port, not "${bad}"`)
  return given.length === 0 ? [API_SERVER] : given
}

/** Of the kubernetes runtime. The way to the cluster is KUBECONFIG, else the account of the pod it runs in. */
export const kubernetesRuntimeConfig = (env: Env) => ({
  kubeconfig: env['KUBECONFIG'],
  /** Where pods of computes are. */
  namespace: env['DORMOUSE_KUBERNETES_NAMESPACE'] || 'dormouse-computes',
  /** Group id → namespace of its pods. */
  groupNamespaces: groupNamespaces(env),
  /** Where pods may still be that were made when another namespace was theirs. */
  moreNamespaces: list(env, 'DORMOUSE_KUBERNETES_MORE_NAMESPACES'),
  /** Where the platform's own Lease is. */
  systemNamespace: env['DORMOUSE_KUBERNETES_SYSTEM_NAMESPACE'] || 'dormouse-system',
  /** Of several installations in one cluster each sees and removes only its own pods. */
  installation: env['DORMOUSE_KUBERNETES_INSTALLATION'] || 'dormouse',
  runtimeClass: env['DORMOUSE_KUBERNETES_RUNTIME_CLASS'] || 'gvisor',
  /** What image `base` is in a registry. */
  baseImage: required(env, 'DORMOUSE_KUBERNETES_BASE_IMAGE'),
  sidekickImage: required(env, 'DORMOUSE_KUBERNETES_SIDEKICK_IMAGE'),
  sidekickMount: oneOf(env, 'DORMOUSE_KUBERNETES_SIDEKICK_MOUNT', ['auto', 'copy', 'image']),
  imagePullPolicy: oneOf(env, 'DORMOUSE_KUBERNETES_IMAGE_PULL_POLICY', [
    'IfNotPresent',
    'Always',
    'Never',
  ]),
  imagePullSecrets: list(env, 'DORMOUSE_KUBERNETES_IMAGE_PULL_SECRETS'),
  /** Of what a tier sets aside. Below 100 more computes share a node than could all be busy at once. */
  requestPercent: count(env, 'DORMOUSE_KUBERNETES_REQUEST_PERCENT', 100),
  canaries: canaries(env),
  /** Names of further walls that an observer must find. */
  ...optional('admissionPolicy', env['DORMOUSE_KUBERNETES_ADMISSION_POLICY']),
  ...optional('nodeWall', env['DORMOUSE_KUBERNETES_NODE_WALL']),
  /** How long a pod that somebody else deletes stays up for its last save. */
  saveGraceSeconds: count(env, 'DORMOUSE_KUBERNETES_SAVE_GRACE_SECONDS', 600),
  /** Class of volumes for the trees of computes, sized by tier; '': the node's disk. */
  treeStorageClass: env['DORMOUSE_KUBERNETES_TREE_STORAGE_CLASS'] ?? '',
  /** Size of the volume of that class for /tmp; 0: the node's disk. */
  scratchMib: whole(env, 'DORMOUSE_KUBERNETES_SCRATCH_MIB'),
})
