/**
 * How a pod says whose it is. Network policies, quotas and dashboards select by these labels:
 * docs/kubernetes-runtime.md holds the same list, and a name that changed would open a wall.
 */
import type { V1Pod } from '@kubernetes/client-node'
import type { SandboxRef, SandboxSpec } from '../../ports.ts'

export const LABELS = {
  managedBy: 'app.kubernetes.io/managed-by',
  component: 'app.kubernetes.io/component',
  /** Of several installations in one cluster each sees and removes only its own pods. */
  installation: 'dormouse.dev/installation',
  compute: 'dormouse.dev/compute',
  generation: 'dormouse.dev/generation',
  group: 'dormouse.dev/group',
  network: 'dormouse.dev/network',
} as const

const MANAGED_BY = 'dormouse'
const COMPONENT = 'compute'
/** The container with the sidekick and everything users run. */
export const CONTAINER = 'compute'
export const SIDEKICK_PORT = 7070

/** From opaque ids alone: the same sandbox has the same name whoever asks. */
export const podName = ({ computeId, generation }: SandboxRef): string =>
  `compute-${computeId}-${generation}`

export const labelsOf = (spec: SandboxSpec, installation: string): Record<string, string> => ({
  ...ofInstallation(installation),
  [LABELS.compute]: spec.computeId,
  [LABELS.generation]: String(spec.generation),
  [LABELS.group]: spec.groupId,
  [LABELS.network]: spec.network,
})

/** Which generation of which compute a pod is; undefined: it is none of ours. */
export const refOf = (pod: V1Pod): SandboxRef | undefined => {
  const { [LABELS.compute]: computeId, [LABELS.generation]: generation } =
    pod.metadata?.labels ?? {}
  if (computeId === undefined || generation === undefined) return undefined
  return { computeId, generation: Number(generation) }
}

/** Selects every pod of this installation, or those of one compute. */
export const selector = (installation: string, computeId?: string): string =>
  Object.entries({
    ...ofInstallation(installation),
    ...(computeId === undefined ? {} : { [LABELS.compute]: computeId }),
  })
    .map(([key, value]) => `${key}=${value}`)
    .join(',')

const ofInstallation = (installation: string) => ({
  [LABELS.managedBy]: MANAGED_BY,
  [LABELS.component]: COMPONENT,
  [LABELS.installation]: installation,
})
