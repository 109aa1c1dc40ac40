/** `npm start -- --runtime kubernetes`: the platform on this machine, its computes in the cluster of KUBECONFIG. */
import { createHash } from 'node:crypto'
import { hostname } from 'node:os'
import { existsSync, readFileSync } from 'node:fs'
import {
  ApiException,
  CoreV1Api,
  KubeConfig,
  NetworkingV1Api,
  type V1NetworkPolicy,
  type V1NetworkPolicyPeer,
} from '@kubernetes/client-node'
import { createKubernetesRuntime } from '../../activities/adapters/kubernetes/runtime.ts'
import { kubernetesRuntimeConfig } from '../../config/config.ts'
import { placesOf } from '../cluster/places.ts'

type Env = Readonly<Record<string, string | undefined>>

export class ClusterUnfit extends Error {
  override readonly name = 'ClusterUnfit'
}

/** Values that a start on one machine needs and a person may set otherwise. */
export const clusterEnv = (home: string): Env => ({
  ...ownCluster(),
  // Several stacks may share a cluster: each sweeps only what is its own.
  DORMOUSE_KUBERNETES_INSTALLATION: `local-${createHash('sha256').update(`${hostname()}:${home}`).digest('hex').slice(0, 12)}`,
  DORMOUSE_KUBERNETES_BASE_IMAGE: 'docker.io/dormouse/base:dev',
  DORMOUSE_KUBERNETES_SIDEKICK_IMAGE: 'docker.io/dormouse/sidekick:dev',
  // A node for trying out is small, and its computes are rarely busy together.
  DORMOUSE_KUBERNETES_REQUEST_PERCENT: '2',
})

/** The one that `npm run cluster:up` started, where nobody names another. */
const ownCluster = (): Env => {
  const { kubeconfig } = placesOf()
  return existsSync(kubeconfig) ? { KUBECONFIG: kubeconfig } : {}
}

/** Makes what the chart makes on a real installation: the namespace and its walls. Errors: ClusterUnfit. */
export const prepareCluster = async (env: Env): Promise<void> => {
  const config = kubernetesRuntimeConfig(env)
  const { namespace } = config
  const kube = new KubeConfig()
  try {
    if (config.kubeconfig === undefined) kube.loadFromDefault()
    else kube.loadFromFile(config.kubeconfig)
    const core = kube.makeApiClient(CoreV1Api)
    const networking = kube.makeApiClient(NetworkingV1Api)
    for (const name of [namespace, config.systemNamespace])
      await unlessThere(
        core.createNamespace({
          body: {
            metadata: { name, labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } },
          },
        }),
      )
    for (const body of policies())
      await unlessThere(networking.createNamespacedNetworkPolicy({ namespace, body }))
  } catch (error) {
    if (error instanceof ApiException) throw error
    throw new ClusterUnfit(
      `the cluster does not answer: ${error instanceof Error ? error.message : String(error)}\n  Run npm run cluster:up, or set KUBECONFIG to a cluster of yours.`,
    )
  }
  const why = await createKubernetesRuntime(config).unavailable()
  if (why !== null) throw new ClusterUnfit(why)
}

const unlessThere = async (creation: Promise<unknown>): Promise<void> => {
  await creation.catch((error: unknown) => {
    if (!(error instanceof ApiException) || error.code !== 409) throw error
  })
}

/** What is nobody's on the internet: the cluster itself, this machine's neighbours, the metadata address. */
const PRIVATE = [
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16'],
  ...['172.16.0.0/12', '192.0.0.0/24', '192.0.2.0/24', '192.168.0.0/16', '198.18.0.0/15'],
  '224.0.0.0/3',
]

const DNS_PORTS = [
  { protocol: 'UDP', port: 53 },
  { protocol: 'TCP', port: 53 },
]

/** Nothing comes in but from the node itself, which no policy sees; out to the internet, where a compute may. */
const policies = (): readonly V1NetworkPolicy[] => [
  {
    metadata: { name: 'nothing' },
    spec: { podSelector: {}, policyTypes: ['Ingress', 'Egress'] },
  },
  {
    metadata: { name: 'shared-to-internet' },
    spec: {
      podSelector: { matchLabels: { 'dormouse.dev/network': 'shared' } },
      policyTypes: ['Egress'],
      egress: [
        { to: [{ ipBlock: { cidr: '0.0.0.0/0', except: PRIVATE } }] },
        // An empty list of peers would mean everybody.
        ...nameservers().map((peer) => ({ to: [peer], ports: DNS_PORTS })),
      ],
    },
  },
]

/** The node's own resolver, which computes are given. */
const nameservers = (): V1NetworkPolicyPeer[] =>
  [...readFileSync('/etc/resolv.conf', 'utf8').matchAll(/^nameserver\s+([\d.]+)\s*$/gm)].flatMap(
    ([, address]) => (address === undefined ? [] : [{ ipBlock: { cidr: `${address}/32` } }]),
  )
