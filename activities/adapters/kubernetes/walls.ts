/** Whether what docs/kubernetes.md promises of a cluster is there: asked of the API, as it is now. */
import type { V1NetworkPolicy } from '@kubernetes/client-node'
import type { Wall } from '../../ports.ts'
import { codeOf, isNotFound, messageOf, unavailable } from './api-errors.ts'
import type { Cluster } from './cluster.ts'

export interface WallsConfig {
  readonly namespaces: readonly string[]
  readonly systemNamespace: string
  readonly runtimeClass: string
  /** Name of the ValidatingAdmissionPolicy and its binding, where there is to be one. */
  readonly admissionPolicy?: string
  /** Name of the DaemonSet, where there is to be one. */
  readonly nodeWall?: string
}

const POD_SECURITY = 'pod-security.kubernetes.io/enforce'

/** Errors: Unavailable, when the API does not answer: then nothing is known. */
export const wallsOfCluster = async (
  cluster: Cluster,
  config: WallsConfig,
): Promise<readonly Wall[]> => {
  const { core, nodes, networking, admission, apps } = cluster
  const { namespaces, runtimeClass: name, admissionPolicy, nodeWall } = config
  const inEach = (ask: (namespace: string) => Promise<string | undefined>) => async () =>
    firstOf(await Promise.all(namespaces.map(ask)))

  const checks: Readonly<Record<string, () => Promise<string | undefined>>> = {
    'runtime-class': async () => {
      await nodes.readRuntimeClass({ name })
      return undefined
    },
    'pod-security': inEach(async (namespace) => {
      const { metadata } = await core.readNamespace({ name: namespace })
      return metadata?.labels?.[POD_SECURITY] === 'restricted'
        ? undefined
        : `namespace ${namespace} is not labelled ${POD_SECURITY}=restricted`
    }),
    'network-policy': inEach(async (namespace) => {
      const { items } = await networking.listNamespacedNetworkPolicy({ namespace })
      return items.some(deniesAll)
        ? undefined
        : `no NetworkPolicy of namespace ${namespace} denies everything to every pod, both ways`
    }),
    ...(admissionPolicy !== undefined && {
      'admission-policy': async () => {
        await admission.readValidatingAdmissionPolicy({ name: admissionPolicy })
        const { spec } = await admission.readValidatingAdmissionPolicyBinding({
          name: admissionPolicy,
        })
        return spec?.validationActions?.includes('Deny') === true
          ? undefined
          : `the binding of ValidatingAdmissionPolicy ${admissionPolicy} does not deny`
      },
    }),
    ...(nodeWall !== undefined && {
      'node-wall': async () => {
        const where = { name: nodeWall, namespace: config.systemNamespace }
        const { status } = await apps.readNamespacedDaemonSet(where)
        const { desiredNumberScheduled = 0, numberReady = 0 } = status ?? {}
        return numberReady > 0 && numberReady >= desiredNumberScheduled
          ? undefined
          : `DaemonSet ${where.namespace}/${nodeWall} is up on ${numberReady} of ${desiredNumberScheduled} nodes`
      },
    }),
  }
  return Promise.all(Object.entries(checks).map(([part, check]) => wallOf(part, check)))
}

const wallOf = async (part: string, check: () => Promise<string | undefined>): Promise<Wall> => {
  const reason = await check().catch((error: unknown) => {
    if (isNotFound(error)) return `${messageOf(error)}; the chart makes it, see docs/kubernetes.md`
    // A wall that may not be looked at is not known to hold.
    if (codeOf(error) === 403) return `the observer may not look: ${messageOf(error)}`
    throw unavailable(error)
  })
  return reason === undefined ? { part, holds: true } : { part, holds: false, reason }
}

/** Of every pod, whatever its labels, nothing in and nothing out. */
const deniesAll = ({ spec }: V1NetworkPolicy): boolean => {
  const { podSelector, policyTypes = [], ingress = [], egress = [] } = spec ?? {}
  const isEverybody =
    Object.keys(podSelector?.matchLabels ?? {}).length === 0 &&
    (podSelector?.matchExpressions ?? []).length === 0
  const isBothWays = policyTypes.includes('Ingress') && policyTypes.includes('Egress')
  return isEverybody && isBothWays && ingress.length === 0 && egress.length === 0
}

const firstOf = (reasons: readonly (string | undefined)[]): string | undefined =>
  reasons.find((reason) => reason !== undefined)
