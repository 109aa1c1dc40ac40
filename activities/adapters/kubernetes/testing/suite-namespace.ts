/** For suites: a namespace of their own in a real cluster, as strict as the chart's. */
import { Writable } from 'node:stream'
import { Exec } from '@kubernetes/client-node'
import { newId } from '../../../../records/ids.ts'
import type { SandboxRef } from '../../../ports.ts'
import { connectCluster, type Cluster } from '../cluster.ts'
import { CONTAINER, podName } from '../labels.ts'
import type { KubernetesRuntimeConfig } from '../runtime.ts'

export interface SuiteNamespace {
  readonly cluster: Cluster
  readonly config: KubernetesRuntimeConfig
  /** Runs a command in the compute's container, past the sidekick; its output, or throws with it. */
  exec(ref: SandboxRef, argv: readonly string[]): Promise<string>
  end(): Promise<void>
}

const BASE_IMAGE = 'docker.io/dormouse/base:dev'
const SIDEKICK_IMAGE = 'docker.io/dormouse/sidekick:dev'

export const openSuiteNamespace = async (): Promise<SuiteNamespace> => {
  const kubeconfig = process.env['KUBECONFIG']
  if (kubeconfig === undefined)
    throw new Error(
      'KUBECONFIG is not set: this suite needs a cluster; npm run cluster:up makes one',
    )
  const cluster = connectCluster(kubeconfig)
  const namespace = `suite-${newId()}`
  const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' }
  await cluster.core.createNamespace({ body: { metadata: { name: namespace, labels } } })
  const config = {
    kubeconfig,
    namespace,
    groupNamespaces: {},
    systemNamespace: namespace,
    installation: namespace,
    runtimeClass: 'gvisor',
    baseImage: process.env['DORMOUSE_KUBERNETES_BASE_IMAGE'] ?? BASE_IMAGE,
    sidekickImage: process.env['DORMOUSE_KUBERNETES_SIDEKICK_IMAGE'] ?? SIDEKICK_IMAGE,
    sidekickMount: 'auto',
    imagePullPolicy: 'Never',
    imagePullSecrets: [],
    canaries: [],
    requestPercent: 10,
    saveGraceSeconds: 60,
    treeStorageClass: '',
    scratchMib: 0,
  } as const
  return {
    cluster,
    config,
    exec: (ref, argv) => run(cluster, namespace, podName(ref), argv),
    async end() {
      await cluster.core.deleteNamespace({ name: namespace })
    },
  }
}

const run = (
  cluster: Cluster,
  namespace: string,
  pod: string,
  argv: readonly string[],
): Promise<string> =>
  new Promise((resolve, reject) => {
    const output = new Collector()
    new Exec(cluster.config)
      .exec(namespace, pod, CONTAINER, [...argv], output, output, null, false, (status) => {
        if (status.status === 'Success') return resolve(output.text())
        reject(new Error(`${argv.join(' ')}: ${status.message}: ${output.text()}`))
      })
      // A command that takes the container with it ends with the connection.
      .then((socket) => socket.on('close', () => resolve(output.text())), reject)
  })

class Collector extends Writable {
  readonly #chunks: Buffer[] = []
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.#chunks.push(chunk)
    done()
  }
  text(): string {
    return Buffer.concat(this.#chunks).toString()
  }
}
