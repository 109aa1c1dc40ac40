/** What a pod's status means to a compute; pure, tried on statuses that real clusters gave. */
import type { V1ContainerStatus, V1Pod } from '@kubernetes/client-node'
import type { FailureName } from '../../../workflows/errors.ts'
import type { SandboxEnd } from '../../ports.ts'
import { CONTAINER } from './labels.ts'

/** Why a pod does not come up, in words for a user. `lasting`: the pod can be thrown away. */
export interface Trouble {
  readonly name: FailureName
  readonly message: string
  readonly lasting: boolean
}

/** Why what ran in it runs no more. */
export interface Ended {
  readonly because: SandboxEnd
  readonly atMs: number
  readonly message: string
}

/** The compute's own container has ended, or will never begin: nothing in it can be saved. */
export const endOf = (pod: V1Pod): Ended | undefined => {
  const { status } = pod
  const terminated = ofCompute(pod)?.state?.terminated
  const finished = status?.phase === 'Failed' || status?.phase === 'Succeeded'
  if (terminated === undefined && !finished) return undefined
  const atMs = +new Date(terminated?.finishedAt ?? Date.now())
  const exit = terminated === undefined ? '' : `exit code ${terminated.exitCode}`
  const message = status?.message ?? terminated?.message ?? exit
  if (status?.reason === 'Evicted' || isDisrupted(pod)) return { because: 'evicted', atMs, message }
  if (isOutOfMemory(pod)) return { because: 'out_of_memory', atMs, message }
  if (status?.reason === 'NodeLost' || status?.reason === 'NodeShutdown')
    return { because: 'node_lost', atMs, message }
  return { because: 'lost', atMs, message }
}

/**
 * Its node has not been heard of: what runs there is cut off, and may still run. A kubelet always says
 * why a pod is not ready; the control plane, which takes it back in its stead, does not.
 */
export const isCutOff = (pod: V1Pod): boolean => {
  const ready = condition(pod, 'Ready')
  return (ready?.status === 'False' && !ready.reason) || pod.status?.reason === 'NodeLost'
}

/** Asked of a pod that should come up. */
export const troubleOf = (pod: V1Pod): Trouble | undefined => {
  const ended = endOf(pod)
  if (ended !== undefined) return troubleOfEnd(pod, ended)
  const scheduled = condition(pod, 'PodScheduled')
  if (scheduled?.status === 'False' && scheduled.reason === 'Unschedulable')
    return {
      name: 'NoNodeFits',
      message: `no node of the cluster has room for it: ${scheduled.message ?? 'no reason given'}`,
      // Left in line: a cluster that grows does so for pods that wait.
      lasting: false,
    }
  for (const { image, state } of statuses(pod)) {
    const waiting = state?.waiting
    if (waiting?.reason === undefined) continue
    if (PULL_FAILURES.has(waiting.reason))
      return {
        name: 'ImagePullFailed',
        message: `image ${image} could not be pulled (${waiting.reason}): ${brief(waiting.message)}`,
        lasting: true,
      }
    if (START_FAILURES.has(waiting.reason))
      return {
        name: 'ProvisionFailed',
        message: `the container does not start (${waiting.reason}): ${brief(waiting.message)}`,
        lasting: true,
      }
  }
  return undefined
}

/** Asked of the events of a pod whose status says nothing yet. */
export const troubleOfWarnings = (
  warnings: readonly { readonly reason: string; readonly message: string }[],
): Trouble | undefined => {
  const pull = warnings.find(
    ({ reason, message }) =>
      PULL_FAILURES.has(reason) ||
      (reason === 'Failed' &&
        /^Failed to pull image|^Error: (ErrImage|InvalidImage)/.test(message)),
  )
  if (pull !== undefined)
    return {
      name: 'ImagePullFailed',
      message: `the image could not be pulled: ${brief(pull.message)}`,
      lasting: true,
    }
  // The claim of a pod's own volume is made after the pod, by the cluster.
  const claim = warnings.find(
    ({ reason, message }) => reason === 'FailedBinding' && /exceeded quota/.test(message),
  )
  if (claim !== undefined)
    return {
      name: 'QuotaExceeded',
      message: `the quota of volumes is used up: ${brief(claim.message.replace(/^.*exceeded quota: /, ''))}`,
      lasting: true,
    }
  return undefined
}

const PULL_FAILURES = new Set([
  'ErrImagePull',
  'ImagePullBackOff',
  'ErrImageNeverPull', // also the reason of an event, of which every other is `Failed`
  'InvalidImageName',
  'ImageInspectError',
  'RegistryUnavailable',
  'SignatureValidationFailed',
])

const START_FAILURES = new Set([
  'CreateContainerConfigError',
  'CreateContainerError',
  'RunContainerError',
  'CrashLoopBackOff',
])

const troubleOfEnd = (pod: V1Pod, { because, message }: Ended): Trouble => {
  const init = pod.status?.initContainerStatuses?.find(({ state }) => state?.terminated?.exitCode)
  switch (because) {
    case 'out_of_memory':
      return {
        name: 'OutOfMemory',
        message: 'it needed more memory than its tier has before it was up',
        lasting: true,
      }
    case 'evicted':
      return { name: 'Evicted', message: `its node threw it out: ${message}`, lasting: true }
    case 'node_lost':
      return { name: 'NodeLost', message: `its node is gone: ${message}`, lasting: true }
    case 'lost':
      return {
        name: 'ProvisionFailed',
        message:
          init === undefined
            ? `it ended before it was up (${message})`
            : `the sidekick could not be put in place (exit code ${init.state?.terminated?.exitCode})`,
        lasting: true,
      }
  }
}

/** Exit 137 with OOMKilled on runc; under gVisor the whole sandbox goes and only the pod knows. */
const isOutOfMemory = (pod: V1Pod): boolean =>
  statuses(pod).some(({ state }) => state?.terminated?.reason === 'OOMKilled')

/** Preemption, eviction by API, taint manager: the cluster's own words for throwing a pod out. */
const isDisrupted = (pod: V1Pod): boolean => {
  const disrupted = condition(pod, 'DisruptionTarget')
  return disrupted?.status === 'True' && disrupted.reason !== 'DeletionByPodGC'
}

const statuses = (pod: V1Pod): readonly V1ContainerStatus[] => [
  ...(pod.status?.initContainerStatuses ?? []),
  ...(pod.status?.containerStatuses ?? []),
]

const ofCompute = (pod: V1Pod): V1ContainerStatus | undefined =>
  pod.status?.containerStatuses?.find(({ name }) => name === CONTAINER)

const condition = (pod: V1Pod, type: string) =>
  pod.status?.conditions?.find((one) => one.type === type)

const LONGEST = 300
const brief = (text = 'no reason given'): string =>
  text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text
