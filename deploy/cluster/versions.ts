/** What the cluster is made of; the versions were chosen to work with each other, and why says docs/cluster.md. */

export interface GoPart {
  readonly name: string
  /** Changes whenever the programs would. */
  readonly version: string
  /** Folder in go/ with a main package of ours. */
  readonly source?: string
  readonly modules?: readonly {
    readonly module: string
    readonly version: string
    readonly prepare?: 'staging' | 'oom-score'
  }[]
  /** Lines of go.sum, for a module that the public checksum database does not have. */
  readonly sums?: readonly string[]
  /** File name → main package. */
  readonly programs: Readonly<
    Record<
      string,
      {
        readonly package: string
        readonly tags?: readonly string[]
        /** For the linker. */
        readonly flags?: readonly string[]
      }
    >
  >
}

const KUBERNETES = 'v1.34.4'
const CONTAINERD = 'v2.1.5'
const GVISOR = 'v0.0.0-20260905035102-160fafc42237'
const KUBE_ROUTER = 'v2.1.0'
const COREDNS = 'v1.14.0'

const containerd = { module: 'github.com/containerd/containerd/v2', version: CONTAINERD }
const containerdProgram = (name: string) => ({
  package: `${containerd.module}/cmd/${name}`,
  // Snapshotters that need kernel parts or libraries nobody uses here.
  tags: ['no_btrfs', 'no_zfs', 'no_devmapper'],
  flags: [`-X ${containerd.module}/version.Version=${CONTAINERD}`],
})

const kubeRouter = 'github.com/cloudnativelabs/kube-router/v2'

export const GO_PARTS: readonly GoPart[] = [
  {
    name: 'kubernetes',
    version: `${KUBERNETES}-1`,
    source: 'kube',
    modules: [{ module: 'k8s.io/kubernetes', version: KUBERNETES, prepare: 'staging' }],
    programs: {
      kube: {
        package: './ours',
        flags: [`-X k8s.io/component-base/version.gitVersion=${KUBERNETES}`],
      },
    },
  },
  {
    name: 'containerd',
    version: `${CONTAINERD}-1`,
    modules: [containerd],
    programs: {
      containerd: containerdProgram('containerd'),
      'containerd-shim-runc-v2': containerdProgram('containerd-shim-runc-v2'),
      ctr: containerdProgram('ctr'),
    },
  },
  {
    name: 'gvisor',
    version: '20260905-1',
    modules: [{ module: 'gvisor.dev/gvisor', version: GVISOR, prepare: 'oom-score' }],
    programs: {
      runsc: { package: 'gvisor.dev/gvisor/runsc' },
      'containerd-shim-runsc-v1': { package: 'gvisor.dev/gvisor/shim' },
    },
  },
  {
    name: 'kube-router',
    version: `${KUBE_ROUTER}-1`,
    modules: [{ module: kubeRouter, version: KUBE_ROUTER }],
    sums: [
      `${kubeRouter} ${KUBE_ROUTER} h1:xWsptKtmZ44L+NjwFKoFAFlVdxCz8fka9A/eYJe95Ok=`,
      `${kubeRouter} ${KUBE_ROUTER}/go.mod h1:JU/k2Qqcph0myF1cRDLidz1SZdoSrPczuYcGxYRSP0A=`,
    ],
    programs: { 'kube-router': { package: `${kubeRouter}/cmd/kube-router` } },
  },
  {
    name: 'dns',
    version: `${COREDNS}-1`,
    source: 'dns',
    modules: [
      { module: 'github.com/coredns/coredns', version: COREDNS },
      // the same client as Kubernetes', compiled once
      ...['api', 'apimachinery', 'client-go'].map((name) => ({
        module: `k8s.io/${name}`,
        version: KUBERNETES.replace('v1.', 'v0.'),
      })),
    ],
    programs: { dns: { package: './ours' } },
  },
  { name: 'pause', version: '2', source: 'pause', programs: { pause: { package: './ours' } } },
]
