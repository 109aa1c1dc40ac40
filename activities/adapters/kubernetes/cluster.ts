/** The way to the cluster's API: KUBECONFIG, else the pod's own account. */
import { Agent } from 'node:https'
import {
  AdmissionregistrationV1Api,
  AppsV1Api,
  CoordinationV1Api,
  CoreV1Api,
  KubeConfig,
  NetworkingV1Api,
  NodeV1Api,
  Watch,
  type RequestContext,
} from '@kubernetes/client-node'

export interface Cluster {
  readonly core: CoreV1Api
  readonly nodes: NodeV1Api
  readonly leases: CoordinationV1Api
  readonly networking: NetworkingV1Api
  readonly admission: AdmissionregistrationV1Api
  readonly apps: AppsV1Api
  readonly config: KubeConfig
  /** Calls `onEvent` for each change since `resourceVersion`; resolves when the stream ends, for whatever reason. */
  watch<T>(
    path: string,
    query: Readonly<Record<string, string>>,
    onEvent: (type: WatchEvent, object: T) => void,
    signal: AbortSignal,
  ): Promise<void>
}

export type WatchEvent = 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR'

/** `kubeconfig`: path of a file; undefined: KUBECONFIG, ~/.kube/config or the account mounted into this pod. */
export const connectCluster = (kubeconfig?: string): Cluster => {
  const config = new KeptAlive()
  if (kubeconfig === undefined || kubeconfig === '') config.loadFromDefault()
  else config.loadFromFile(kubeconfig)
  const watch = new Watch(config)
  return {
    core: config.makeApiClient(CoreV1Api),
    nodes: config.makeApiClient(NodeV1Api),
    leases: config.makeApiClient(CoordinationV1Api),
    networking: config.makeApiClient(NetworkingV1Api),
    admission: config.makeApiClient(AdmissionregistrationV1Api),
    apps: config.makeApiClient(AppsV1Api),
    config,
    watch: (path, query, onEvent, signal) =>
      new Promise((resolve, reject) => {
        if (signal.aborted) return resolve()
        // Also while the first answer is still on its way, which the library cannot call off.
        signal.addEventListener('abort', () => resolve(), { once: true })
        const done = (error: unknown) =>
          error instanceof Error && error.name !== 'AbortError' ? reject(error) : resolve()
        watch
          .watch(path, query, (type, object) => onEvent(type as WatchEvent, object), done)
          .then((controller) => {
            if (signal.aborted) return controller.abort()
            signal.addEventListener('abort', () => controller.abort(), { once: true })
          }, reject)
      }),
  }
}

/** Shorter than an API server keeps a quiet connection: no request meets one that is being closed. */
const IDLE_MS = 30_000

/** One TLS connection serves many requests; the library would make one for each. */
class KeptAlive extends KubeConfig {
  readonly #agents = new Map<string, Agent>()

  override async applySecurityAuthentication(context: RequestContext): Promise<void> {
    await super.applySecurityAuthentication(context)
    const made = context.getAgent()
    if (!(made instanceof Agent)) return
    const key = JSON.stringify(made.options)
    const agent =
      this.#agents.get(key) ?? new Agent({ ...made.options, keepAlive: true, timeout: IDLE_MS })
    this.#agents.set(key, agent)
    context.setAgent(agent)
  }
}
