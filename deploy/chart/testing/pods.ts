/** Pods for suites: one process each, and a look at what they reach. */
import { apply } from '../../cluster/kubectl.ts'
import { kubectl } from '../../../test/support/workloads.ts'

const IMAGE = process.env['DORMOUSE_KUBERNETES_BASE_IMAGE'] ?? 'docker.io/dormouse/base:dev'

type Json = Readonly<Record<string, unknown>>

export interface Place {
  readonly namespace: string
  readonly name: string
}

const LISTEN = `
for (const port of process.argv.slice(1))
  require('node:net').createServer((s) => s.end()).listen(Number(port), '0.0.0.0')
setInterval(() => {}, 1e6)
`

/** A pod as the platform makes them, that listens on TCP 7070 and 8000; `spec` and `container` change it. */
export const listener = (
  place: Place,
  options: { readonly labels?: Json; readonly spec?: Json; readonly container?: Json } = {},
) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { ...place, labels: options.labels ?? {} },
  spec: {
    automountServiceAccountToken: false,
    terminationGracePeriodSeconds: 0,
    restartPolicy: 'Never',
    securityContext: {
      runAsNonRoot: true,
      runAsUser: 1000,
      seccompProfile: { type: 'RuntimeDefault' },
    },
    containers: [
      {
        name: 'main',
        image: IMAGE,
        imagePullPolicy: 'Never',
        command: ['node', '-e', LISTEN, '7070', '8000'],
        resources: {
          requests: { cpu: '10m', memory: '32Mi' },
          limits: { cpu: '500m', memory: '256Mi' },
        },
        securityContext: {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        },
        ...options.container,
      },
    ],
    ...options.spec,
  },
})

/** Labels and spec of a compute: what the walls hold for. */
export const computeOf = (installation: string, network: 'shared' | 'none') => ({
  labels: {
    'app.kubernetes.io/managed-by': 'dormouse',
    'app.kubernetes.io/component': 'compute',
    'dormouse.dev/installation': installation,
    'dormouse.dev/network': network,
  },
  spec: { runtimeClassName: 'gvisor' },
})

/** Address of the pod, once it runs. */
export const startPod = async (pod: { metadata: Place }): Promise<string> => {
  const { namespace, name } = pod.metadata
  await apply(process.env['KUBECONFIG'] ?? '', [pod])
  const place = ['--namespace', namespace, `pod/${name}`]
  await kubectl(['wait', '--for=condition=Ready', '--timeout=60s', ...place])
  return kubectl(['get', ...place, '--output', 'jsonpath={.status.podIP}'])
}

const DIAL = `
const dial = (address) => new Promise((resolve) => {
  const at = address.lastIndexOf(':')
  const socket = require('node:net').connect(Number(address.slice(at + 1)), address.slice(0, at))
  const end = (how) => { socket.destroy(); resolve([address, how]) }
  setTimeout(end, 3000, 'closed')
  socket.once('connect', () => end('open')).once('error', () => end('closed'))
})
Promise.all(process.argv.slice(1).map(dial)).then((all) => console.log(JSON.stringify(Object.fromEntries(all))))
`

/** Which of these `address:port` take a TCP connection from inside the pod. */
export const reached = async (
  { namespace, name }: Place,
  addresses: readonly string[],
): Promise<readonly string[]> => {
  const answer = await kubectl([
    ...['exec', '--namespace', namespace, name, '--', 'node', '-e', DIAL, ...addresses],
  ])
  const all = JSON.parse(answer.trim().split('\n').at(-1) ?? '') as Record<string, string>
  return addresses.filter((address) => all[address] === 'open')
}
