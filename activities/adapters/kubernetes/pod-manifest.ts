/** The pod of one sandbox, from its spec: pure, so that every hole in the wall can be read here. */
import type { V1Container, V1Pod, V1Volume } from '@kubernetes/client-node'
import { SIDEKICK_NODE_FLAGS } from '../../../sidekick/launch.ts'
import type { SandboxSpec } from '../../ports.ts'
import { CONTAINER, labelsOf, podName, SIDEKICK_PORT } from './labels.ts'

export interface PodShape {
  readonly namespace: string
  readonly installation: string
  readonly runtimeClass: string
  /** For `copy` with the folder /sidekick and /bin/cp; for `image` its root is the folder, since containerd knows no subPath. */
  readonly sidekickImage: string
  /** `image`: mounted as an image volume (Kubernetes 1.33 or newer, where switched on). `copy`: by an init container. */
  readonly sidekickMount: 'copy' | 'image'
  readonly imagePullPolicy: 'Always' | 'IfNotPresent' | 'Never'
  readonly imagePullSecrets: readonly string[]
  /** Of what the tier asks to be set aside, this much is asked of the cluster: less lets more computes share a node. */
  readonly requestPercent: number
  /** `HOST:PORT` each: no user comes in before none of them can be reached from inside. */
  readonly canaries: readonly string[]
  /** How long a pod that somebody else deletes stays up for its last save. */
  readonly saveGraceSeconds: number
  /**
   * Class of the volume of each pod's trees, as large as its tier: a full one is ENOSPC inside, and of
   * no other pod's concern. '': the node's own disk, without a size.
   */
  readonly treeStorageClass: string
  /** Of the volume of that class that /tmp is on; 0, or without a class: the node's own disk. */
  readonly scratchMib: number
}

const SIDEKICK_IN_IMAGE = '/sidekick'
const SIDEKICK = '/.dormouse'
const USER_ID = 1000

const MIB = 1024 * 1024
/** The sidekick needs this to start at all; what a scheduler sets aside may be less than the tier's. */
const LEAST_REQUEST = { cpuMillis: 10, memoryBytes: 64 * MIB }

/**
 * Beside what users may take, for the sidekick and gVisor themselves. At the limit the whole pod is
 * ended, so the sidekick ends the largest process before.
 */
export const HEADROOM_BYTES = 256 * MIB

/** The sidekick ends by itself before the kubelet would. */
const END_BEFORE_KILL_SECONDS = 5

export const podManifest = (spec: SandboxSpec, image: string, shape: PodShape): V1Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {
    name: podName(spec),
    namespace: shape.namespace,
    labels: labelsOf(spec, shape.installation),
    annotations: {
      // Neither may throw a compute's only files away to make room.
      'cluster-autoscaler.kubernetes.io/safe-to-evict': 'false',
      'karpenter.sh/do-not-disrupt': 'true',
    },
  },
  spec: {
    runtimeClassName: shape.runtimeClass,
    restartPolicy: 'Never',
    hostname: spec.computeId,
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    hostNetwork: false,
    hostPID: false,
    hostIPC: false,
    // The pause process is pid 1 and takes in what users leave behind; a Node would not.
    shareProcessNamespace: true,
    terminationGracePeriodSeconds: shape.saveGraceSeconds,
    securityContext: {
      runAsNonRoot: true,
      runAsUser: USER_ID,
      runAsGroup: USER_ID,
      fsGroup: USER_ID,
      fsGroupChangePolicy: 'OnRootMismatch',
      seccompProfile: { type: 'RuntimeDefault' },
    },
    // Names inside the cluster are nothing a compute should ask for.
    dnsPolicy: spec.network === 'none' ? 'None' : 'Default',
    ...(spec.network === 'none' ? { dnsConfig: { nameservers: ['127.0.0.1'] } } : {}),
    ...(shape.imagePullSecrets.length === 0
      ? {}
      : { imagePullSecrets: shape.imagePullSecrets.map((name) => ({ name })) }),
    ...(shape.sidekickMount === 'copy' ? { initContainers: [copySidekick(shape)] } : {}),
    containers: [compute(spec, image, shape)],
    volumes: [
      ...treeVolumes(spec, shape),
      // Never beside the trees: what a save notes for itself stands here, also when their disk is full.
      scratchVolume(shape),
      sidekickVolume(shape),
    ],
  },
})

const compute = (spec: SandboxSpec, image: string, shape: PodShape): V1Container => ({
  name: CONTAINER,
  image,
  imagePullPolicy: shape.imagePullPolicy,
  command: [`${SIDEKICK}/node`, ...SIDEKICK_NODE_FLAGS, `${SIDEKICK}/sidekick.mjs`],
  args: [
    ...['--port', String(SIDEKICK_PORT), '--own-pid-namespace', '--own-network'],
    ...['--memory-bytes', String(spec.memoryBytes), '--pids', String(spec.pids)],
    ...shape.canaries.flatMap((canary) => ['--canary', canary]),
    ...['--term-grace-ms', String((shape.saveGraceSeconds - END_BEFORE_KILL_SECONDS) * 1000)],
  ],
  workingDir: '/',
  ports: [{ name: 'sidekick', containerPort: SIDEKICK_PORT, protocol: 'TCP' }],
  env: [
    { name: 'HOME', value: '/home/user' },
    { name: 'TMPDIR', value: '/tmp' },
    // What an image sets for its own programs is not meant for the sidekick.
    ...['NODE_OPTIONS', 'LD_PRELOAD'].map((name) => ({ name, value: '' })),
  ],
  securityContext: restricted,
  resources: {
    limits: quantities({
      cpuMillis: spec.cpuMillis,
      memoryBytes: spec.memoryBytes + HEADROOM_BYTES,
    }),
    requests: quantities(requestsOf(spec, shape.requestPercent)),
  },
  volumeMounts: [
    ...TREES.map(({ name, mountPath }) =>
      shape.treeStorageClass === ''
        ? { name, mountPath }
        : { name: TREE_VOLUME, mountPath, subPath: name },
    ),
    { name: SCRATCH, mountPath: '/tmp', ...(isSized(shape) ? { subPath: SCRATCH } : {}) },
    { name: 'sidekick', mountPath: SIDEKICK, readOnly: true },
  ],
})

/** Folders of one volume, so that a file system's own lost+found is in none of them. */
const TREES = [
  { name: 'home', mountPath: '/home/user' },
  { name: 'env', mountPath: '/opt/env' },
] as const
const TREE_VOLUME = 'trees'

const treeVolumes = (spec: SandboxSpec, { treeStorageClass }: PodShape): V1Volume[] => {
  if (treeStorageClass === '') return TREES.map(({ name }) => ({ name, emptyDir: {} }))
  return [ownVolume(TREE_VOLUME, treeStorageClass, spec.treeBytes)]
}

const SCRATCH = 'tmp'

const isSized = ({ treeStorageClass, scratchMib }: PodShape): boolean =>
  treeStorageClass !== '' && scratchMib > 0

const scratchVolume = (shape: PodShape): V1Volume =>
  isSized(shape)
    ? ownVolume(SCRATCH, shape.treeStorageClass, shape.scratchMib * MIB)
    : { name: SCRATCH, emptyDir: {} }

/** Its claim is the pod's own and goes with it: nothing to find, to sweep or to leak. */
const ownVolume = (name: string, storageClassName: string, sizeBytes: number): V1Volume => {
  const resources = { requests: { storage: String(sizeBytes) } }
  const spec = { storageClassName, accessModes: ['ReadWriteOnce'], resources }
  return { name, ephemeral: { volumeClaimTemplate: { spec } } }
}

const copySidekick = (shape: PodShape): V1Container => ({
  name: 'sidekick',
  image: shape.sidekickImage,
  imagePullPolicy: shape.imagePullPolicy,
  command: ['/bin/cp', '-a', `${SIDEKICK_IN_IMAGE}/.`, `${SIDEKICK}/`],
  workingDir: '/',
  securityContext: restricted,
  resources: {
    limits: quantities({ cpuMillis: 1000, memoryBytes: 512 * MIB }),
    requests: quantities(LEAST_REQUEST),
  },
  volumeMounts: [{ name: 'sidekick', mountPath: SIDEKICK }],
})

const sidekickVolume = (shape: PodShape): V1Volume =>
  shape.sidekickMount === 'image'
    ? {
        name: 'sidekick',
        image: { reference: shape.sidekickImage, pullPolicy: shape.imagePullPolicy },
      }
    : { name: 'sidekick', emptyDir: {} }

/** Pod Security "restricted", with every field said that it would also take by default. */
const restricted = {
  allowPrivilegeEscalation: false,
  privileged: false,
  readOnlyRootFilesystem: true,
  runAsNonRoot: true,
  runAsUser: USER_ID,
  runAsGroup: USER_ID,
  capabilities: { drop: ['ALL'] },
  seccompProfile: { type: 'RuntimeDefault' },
}

interface Amounts {
  readonly cpuMillis: number
  readonly memoryBytes: number
}

const requestsOf = (spec: SandboxSpec, percent: number): Amounts => {
  const wanted = spec.requests ?? spec
  const part = (amount: number, least: number, limit: number) =>
    Math.min(limit, Math.max(least, (amount * percent) / 100))
  return {
    cpuMillis: part(wanted.cpuMillis, LEAST_REQUEST.cpuMillis, spec.cpuMillis),
    memoryBytes: part(wanted.memoryBytes, LEAST_REQUEST.memoryBytes, spec.memoryBytes),
  }
}

const quantities = ({ cpuMillis, memoryBytes }: Amounts): Record<string, string> => ({
  cpu: `${Math.round(cpuMillis)}m`,
  memory: String(Math.round(memoryBytes)),
})
