/** Whether this cluster can mount an image: asked of it, since neither version nor right says it alone. */
import { VersionApi, type V1Node, type V1Pod } from '@kubernetes/client-node'
import { codeOf } from './api-errors.ts'
import type { Cluster } from './cluster.ts'
import type { PodShape } from './pod-manifest.ts'

export type SidekickMount = PodShape['sidekickMount']
type ChosenMount = (namespace: string, asImage: V1Pod) => Promise<SidekickMount>

/** Then it is asked again: nodes come and go. */
const KNOWN_FOR_MS = 10 * 60_000

/** `auto`: as an image where the cluster has image volumes, copied where not, or where it could not be asked. */
export const chooseMount = (cluster: Cluster, wanted: SidekickMount | 'auto'): ChosenMount => {
  if (wanted !== 'auto') return () => Promise.resolve(wanted)
  let known: { readonly mount: SidekickMount; readonly untilMs: number } | undefined
  return async (namespace, asImage) => {
    if (known !== undefined && Date.now() < known.untilMs) return known.mount
    const can = await mountsImages(cluster, namespace, asImage).catch(() => undefined)
    if (can === undefined) return 'copy'
    known = { mount: can ? 'image' : 'copy', untilMs: Date.now() + KNOWN_FOR_MS }
    return known.mount
  }
}

/** Undefined: it refused the pod for another reason, which says nothing. */
const mountsImages = async (
  { core, config }: Cluster,
  namespace: string,
  asImage: V1Pod,
): Promise<boolean | undefined> => {
  const [{ gitVersion }, { items }] = await Promise.all([
    config.makeApiClient(VersionApi).getCode(),
    core.listNode(),
  ])
  if (!nodesMountImages(items, gitVersion)) return false
  try {
    const made = await core.createNamespacedPod({ namespace, body: asImage, dryRun: 'All' })
    return made.spec?.volumes?.some(({ image }) => image !== undefined) ?? false
  } catch (error) {
    // Without the feature the API takes the source away, and then misses it.
    return codeOf(error) === 422 ? false : undefined
  }
}

/** From there on every kubelet has it on; before, whoever switched it on in the API server did so on the nodes. */
const ON_BY_DEFAULT = 35
const FIRST = 31

export const nodesMountImages = (nodes: readonly V1Node[], server: string): boolean => {
  const least = minorOf(server) >= ON_BY_DEFAULT ? ON_BY_DEFAULT : FIRST
  return nodes.every(({ status }) => {
    const { kubeletVersion = '', containerRuntimeVersion = '' } = status?.nodeInfo ?? {}
    return minorOf(kubeletVersion) >= least && mounts(containerRuntimeVersion)
  })
}

const minorOf = (version: string): number => Number(/^v?1\.(\d+)/.exec(version)?.[1] ?? 0)

/** A runtime that does not know them starts the pod with an empty folder, or not at all. */
const mounts = (runtime: string): boolean => {
  const [, name, major = '0', minor = '0'] = /^([a-z-]+):\/\/v?(\d+)\.(\d+)/.exec(runtime) ?? []
  const version = Number(major) * 1_000 + Number(minor)
  return (name === 'containerd' && version >= 2_001) || (name === 'cri-o' && version >= 1_031)
}
