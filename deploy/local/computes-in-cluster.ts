/** `npm start -- --runtime kubernetes`: the platform on this machine, its computes in the cluster of KUBECONFIG. */
import { createHash } from 'node:crypto'
import { hostname } from 'node:os'
import { existsSync, readFileSync } from 'node:fs'
import { createKubernetesRuntime } from '../../activities/adapters/kubernetes/runtime.ts'
import { kubernetesRuntimeConfig } from '../../config/kubernetes.ts'
import { placesOf } from '../cluster/places.ts'
import { admissionPolicyOf, installWalls, removeRelease, WALLS } from '../chart/walls.ts'
import type { Board } from './board.ts'

type Env = Readonly<Record<string, string | undefined>>

export class ClusterUnfit extends Error {
  override readonly name = 'ClusterUnfit'
}

/** Values that a start on one machine needs and a person may set otherwise. */
export const clusterEnv = (home: string, outer: Env = process.env): Env => {
  const place = createHash('sha256').update(`${hostname()}:${home}`).digest('hex').slice(0, 12)
  const installation = `local-${place}`
  const systemNamespace =
    outer['DORMOUSE_KUBERNETES_SYSTEM_NAMESPACE'] ?? `dormouse-${installation}-system`
  return {
    ...ownCluster(),
    // Several stacks may share a cluster: each sees and sweeps only what is its own, behind walls of its own.
    DORMOUSE_KUBERNETES_INSTALLATION: installation,
    DORMOUSE_KUBERNETES_NAMESPACE: `dormouse-${installation}`,
    DORMOUSE_KUBERNETES_SYSTEM_NAMESPACE: systemNamespace,
    DORMOUSE_KUBERNETES_ADMISSION_POLICY: admissionPolicyOf(WALLS, systemNamespace),
    DORMOUSE_KUBERNETES_BASE_IMAGE: 'docker.io/dormouse/base:dev',
    DORMOUSE_KUBERNETES_SIDEKICK_IMAGE: 'docker.io/dormouse/sidekick:dev',
    // A node for trying out is small, and its computes are rarely busy together.
    DORMOUSE_KUBERNETES_REQUEST_PERCENT: '2',
  }
}

/** The one that `npm run cluster:up` started, where nobody names another. */
const ownCluster = (): Env => {
  const { kubeconfig } = placesOf()
  return existsSync(kubeconfig) ? { KUBECONFIG: kubeconfig } : {}
}

/**
 * Puts up the chart's walls, without the rest of it: nothing comes in but from the node itself, which no
 * policy sees. Errors: ClusterUnfit.
 */
export const prepareCluster = async (env: Env, board: Board): Promise<void> => {
  const config = kubernetesRuntimeConfig(env)
  const { kubeconfig, namespace, systemNamespace, installation } = config
  const values = {
    workloads: {
      moreNamespaces: [...new Set(Object.values(config.groupNamespaces))],
      runtimeClass: { name: config.runtimeClass },
      requestPercent: config.requestPercent,
      egress: { resolvers: resolvers() },
    },
  }
  await installWalls({ namespace, systemNamespace, installation, values }, board, kubeconfig).catch(
    (error: unknown) => {
      throw new ClusterUnfit(
        `the walls around computes cannot be put up: ${error instanceof Error ? error.message : String(error)}\n  Run npm run cluster:up, or set KUBECONFIG to a cluster of yours.`,
      )
    },
  )
  const why = await createKubernetesRuntime(config).unavailable()
  if (why !== null) throw new ClusterUnfit(why)
}

/** Takes down the walls of a home that is no more, and what is behind them. Namespaces that a person named stay. */
export const leaveCluster = async (
  home: string,
  board: Board,
  outer: Env = process.env,
): Promise<void> => {
  const own = clusterEnv(home, {})
  const [namespace, systemNamespace] = NAMESPACES.map((name) => own[name] ?? '')
  const kubeconfig = outer['KUBECONFIG'] ?? own['KUBECONFIG']
  if (NAMESPACES.some((name) => outer[name] !== undefined)) return
  if (kubeconfig === undefined || !namespace || !systemNamespace) return
  await removeRelease(WALLS, { systemNamespace, namespaces: [namespace] }, board, kubeconfig)
}

const NAMESPACES = ['DORMOUSE_KUBERNETES_NAMESPACE', 'DORMOUSE_KUBERNETES_SYSTEM_NAMESPACE']

/** The node's own, which computes are given. */
const resolvers = (): readonly string[] =>
  [...readFileSync('/etc/resolv.conf', 'utf8').matchAll(/^nameserver\s+([\d.]+)\s*$/gm)].flatMap(
    ([, address]) => (address === undefined ? [] : [`${address}/32`]),
  )
