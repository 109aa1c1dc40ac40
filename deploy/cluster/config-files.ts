/** What the parts of the cluster read: pure text, made anew at every start. */
import path from 'node:path'
import {
  CONTROL_IP,
  DNS_SERVICE_IP,
  PAUSE_IMAGE,
  POD_CIDR,
  POD_LINK,
  POD_NETWORK,
  RUN_DIR,
  type Places,
} from './places.ts'

/** YAML is a superset of JSON. `pem` files go in whole, so that the file works from anywhere. */
export const kubeconfig = (pem: {
  readonly ca: string
  readonly certificate: string
  readonly key: string
}): string => {
  const base64 = (text: string): string => Buffer.from(text).toString('base64')
  const name = 'dormouse'
  return json({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      {
        name,
        cluster: {
          server: `https://${CONTROL_IP}:6443`,
          'certificate-authority-data': base64(pem.ca),
        },
      },
    ],
    users: [
      {
        name,
        user: {
          'client-certificate-data': base64(pem.certificate),
          'client-key-data': base64(pem.key),
        },
      },
    ],
    contexts: [{ name, context: { cluster: name, user: name } }],
    'current-context': name,
  })
}

export const containerdConfig = (places: Places): string => `version = 3
root = "${places.state}/containerd"
state = "${places.run}/containerd"

[grpc]
  address = "${places.socket}"

[plugins."io.containerd.cri.v1.images"]
  snapshotter = "overlayfs"
  [plugins."io.containerd.cri.v1.images".pinned_images]
    sandbox = "${PAUSE_IMAGE}"

[plugins."io.containerd.cri.v1.runtime"]
  # A root without CAP_SYS_RESOURCE may not lower the score that pods ask for.
  restrict_oom_score_adj = true
  [plugins."io.containerd.cri.v1.runtime".containerd]
    default_runtime_name = "runc"
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runsc]
      runtime_type = "io.containerd.runsc.v1"
      [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runsc.options]
        TypeUrl = "io.containerd.runsc.v1.options"
        ConfigPath = "${runscFile(places)}"
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = ["/usr/lib/cni"]
    conf_dir = "${cniDir(places)}"
`

/** systrap runs everywhere; kvm would need the device and hangs on nested machines. */
export const RUNSC_CONFIG = `root = "${RUN_DIR}/runsc"\n\n[runsc_config]\n  platform = "systrap"\n`

export const podNetwork = (): string =>
  json({
    cniVersion: '1.0.0',
    name: POD_NETWORK,
    plugins: [
      {
        type: 'bridge',
        bridge: POD_LINK,
        isGateway: true,
        // The plugin forgets its rule when gVisor has taken a pod's address: see network.ts.
        ipMasq: false,
        hairpinMode: true,
        ipam: {
          type: 'host-local',
          ranges: [[{ subnet: POD_CIDR }]],
          routes: [{ dst: '0.0.0.0/0' }],
        },
      },
      { type: 'portmap', capabilities: { portMappings: true } },
    ],
  })

export const kubeletConfig = (places: Places): string =>
  json({
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: path.join(places.pki, 'ca.crt') },
    },
    authorization: { mode: 'Webhook' },
    cgroupDriver: 'cgroupfs',
    clusterDNS: [DNS_SERVICE_IP],
    clusterDomain: 'cluster.local',
    containerRuntimeEndpoint: `unix://${places.socket}`,
    failSwapOn: false,
    // A machine for development is often full; pods are evicted only when nothing else helps.
    evictionHard: {
      'memory.available': '100Mi',
      'nodefs.available': '1%',
      'imagefs.available': '1%',
      'nodefs.inodesFree': '1%',
    },
    // There is no registry to bring a collected image back from.
    imageGCHighThresholdPercent: 100,
    featureGates: FEATURES,
  })

/** Of the API server and the kubelet: the sidekick's image can be mounted as a volume. */
export const FEATURES = { ImageVolume: true } as const

export const runscFile = (places: Places): string => path.join(places.state, 'runsc.toml')
export const cniDir = (places: Places): string => path.join(places.state, 'cni')

const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`
