import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import type { V1Pod } from '@kubernetes/client-node'
import { DormouseError } from '../../../workflows/errors.ts'
import type { LiveSandbox, Runtime, SandboxRef, SandboxSpec } from '../../ports.ts'
import { isConflict, refusedPod, unavailable } from './api-errors.ts'
import { connectCluster, type Cluster } from './cluster.ts'
import { imageReference } from './image-reference.ts'
import { chooseMount, type SidekickMount } from './image-volumes.ts'
import { LABELS, podName, refOf, selector } from './labels.ts'
import { whileLeading } from './lease.ts'
import { isNodeGone } from './node.ts'
import { podManifest, type PodShape } from './pod-manifest.ts'
import { endOf, isCutOff, troubleOf } from './pod-state.ts'
import { openPods } from './pods.ts'
import { sidekickAnswers, startedPod } from './started-pod.ts'
import { whyUnavailable } from './unavailable.ts'
import { wallsOfCluster } from './walls.ts'
import { watchSandboxes } from './watch.ts'

export interface KubernetesRuntimeConfig extends Omit<PodShape, 'sidekickMount'> {
  /** `auto`: an image volume where the cluster has them, else a copy. */
  readonly sidekickMount: SidekickMount | 'auto'
  /** File with the way to the cluster; undefined: the environment's, or the pod's own account. */
  readonly kubeconfig?: string
  /** Where the observer's Lease is. */
  readonly systemNamespace: string
  /** Group id → namespace of its pods, where that is another than `namespace`. */
  readonly groupNamespaces: Readonly<Record<string, string>>
  /** Nothing is started in these; pods that are there are found, saved and ended. */
  readonly moreNamespaces?: readonly string[]
  /** What observers find there, where it is to be: `WallsConfig`. */
  readonly admissionPolicy?: string
  readonly nodeWall?: string
  /** What `base` of the image table is called in a registry. */
  readonly baseImage: string
}

/** A pod that runs no more code of users ends within this; nothing in it is worth waiting for. */
const END_SECONDS = 1
const GONE_WITHIN_MS = 30_000

/**
 * Runs computes as pods. A pod's trees end with it: what a crash leaves is what was saved. Nothing is
 * remembered here: names and labels say everything, and the API is asked each time.
 */
export const createKubernetesRuntime = (
  config: KubernetesRuntimeConfig,
  cluster: Cluster = connectCluster(config.kubeconfig),
): Runtime => {
  const pods = openPods(cluster)
  const { installation } = config
  const mountOf = chooseMount(cluster, config.sidekickMount)
  const namespaces = namespacesOf(config)
  const inAll = async <T>(ask: (namespace: string) => Promise<T>): Promise<readonly T[]> =>
    Promise.all(namespaces.map(ask))
  const select = async (computeId?: string): Promise<readonly V1Pod[]> =>
    (await inAll((namespace) => pods.list(namespace, selector(installation, computeId)))).flatMap(
      ({ items }) => items,
    )
  const find = async (ref: SandboxRef): Promise<V1Pod | undefined> =>
    (await inAll((namespace) => pods.find(namespace, podName(ref)))).find(
      (pod) => pod !== undefined,
    )

  return {
    name: 'kubernetes',
    unavailable: () => whyUnavailable(cluster, namespaces, config.runtimeClass),

    walls: () => wallsOfCluster(cluster, { ...config, namespaces }),

    async ensure(spec) {
      const image = imageReference(spec.image, config.baseImage)
      const found = await settleGenerations(spec)
      const pod = found ?? (await create(spec, image))
      // Made between the look and the creation: one of the two makers sees the other's.
      if (found === undefined) await settleGenerations(spec)
      const address = await startedPod(pods, pod)
      return { address, tree: 'fresh', limits: 'enforced' }
    },

    async inspect(ref) {
      const pod = await find(ref)
      if (pod === undefined || endOf(pod) !== undefined) return 'gone'
      return !isCutOff(pod) || (await sidekickAnswers(pod)) ? 'live' : 'gone'
    },

    async markTreeComplete(ref) {
      // Nothing to keep; but a worker that is late must hear that it is.
      const pod = await find(ref)
      if (pod === undefined) throw stale(`there is no pod of generation ${ref.generation}`)
    },

    async stop(ref) {
      const pod = await find(ref)
      if (pod !== undefined) await endWhole(pod)
    },

    async list() {
      return (await select()).flatMap((pod) => liveSandbox(pod) ?? [])
    },
    lead: (work) =>
      whileLeading(
        cluster.leases,
        {
          namespace: config.systemNamespace,
          name: `${installation}-observer`,
          identity: `${hostname()}-${randomUUID()}`,
        },
        work,
      ),
    watch: (tell, signal) => watchSandboxes(cluster, { namespaces, installation }, tell, signal),
  }

  /** Ends what is older or of no use; answers the pod of this generation if there is one worth waiting for. */
  async function settleGenerations(spec: SandboxSpec): Promise<V1Pod | undefined> {
    const all = await select(spec.computeId)
    const newest = Math.max(0, ...all.map((pod) => refOf(pod)?.generation ?? 0))
    if (newest > spec.generation) {
      for (const pod of all) if (refOf(pod)?.generation === spec.generation) await endWhole(pod)
      throw stale(`generation ${newest} was started`)
    }
    let own: V1Pod | undefined
    for (const pod of all) {
      const isOwn = refOf(pod)?.generation === spec.generation
      if (isOwn && pod.metadata?.deletionTimestamp === undefined && !troubleOf(pod)?.lasting)
        own = pod
      else await endWhole(pod)
    }
    return own
  }

  async function create(spec: SandboxSpec, image: string): Promise<V1Pod> {
    const namespace = config.groupNamespaces[spec.groupId] ?? config.namespace
    const mounted = (sidekickMount: SidekickMount): V1Pod =>
      podManifest(spec, image, { ...config, namespace, sidekickMount })
    try {
      return await pods.create(namespace, mounted(await mountOf(namespace, mounted('image'))))
    } catch (error) {
      if (!isConflict(error)) throw refusedPod(error, namespace) ?? unavailable(error)
      const other = await pods.find(namespace, podName(spec))
      if (other === undefined) throw unavailable(error)
      if (
        !isSame(refOf(other), spec) ||
        other.metadata?.labels?.[LABELS.installation] !== installation
      )
        throw new DormouseError(
          'ProvisionFailed',
          `a pod ${namespace}/${podName(spec)} is there that is not this platform's; remove it`,
        )
      return other
    }
  }

  async function endWhole(pod: V1Pod): Promise<void> {
    // Nobody is left who could confirm its end; what it still writes is refused by epoch.
    if (isCutOff(pod) && (await isNodeGone(cluster, pod))) return endByForce(pod)
    if (await pods.remove(pod, END_SECONDS, GONE_WITHIN_MS)) return
    // Its node may have gone meanwhile.
    if (await isNodeGone(cluster, pod)) return endByForce(pod)
    throw stillThere(pod)
  }

  async function endByForce(pod: V1Pod): Promise<void> {
    if (!(await pods.remove(pod, 0, GONE_WITHIN_MS))) throw stillThere(pod)
  }
}

const stillThere = ({ metadata }: V1Pod): DormouseError =>
  new DormouseError(
    'Unavailable',
    `pod ${metadata?.namespace}/${metadata?.name} was told to end and is still there`,
  )

const namespacesOf = (config: KubernetesRuntimeConfig): readonly string[] => [
  ...new Set([
    config.namespace,
    ...Object.values(config.groupNamespaces),
    ...(config.moreNamespaces ?? []),
  ]),
]

const liveSandbox = (pod: V1Pod): LiveSandbox | undefined => {
  const ref = refOf(pod)
  if (ref === undefined) return undefined
  const ended = endOf(pod)
  return {
    ...ref,
    groupId: pod.metadata?.labels?.[LABELS.group] ?? '',
    createdAtMs: +new Date(pod.metadata?.creationTimestamp ?? 0),
    running: ended === undefined,
    ...(ended === undefined ? {} : { ended: ended.because }),
    ...(ended?.because === 'out_of_memory' ? { outOfMemoryAtMs: ended.atMs } : {}),
  }
}

const isSame = (one: SandboxRef | undefined, other: SandboxRef): boolean =>
  one?.computeId === other.computeId && one.generation === other.generation

const stale = (message: string): DormouseError => new DormouseError('StaleGeneration', message)
