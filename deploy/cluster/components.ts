/** Every process of the cluster, in the order of their start: a pure plan. */
import path from 'node:path'
import { FEATURES } from './config-files.ts'
import {
  CONTROL_IP,
  CONTROL_NAMESPACE,
  NODE_IP,
  NODE_NAME,
  SERVICE_CIDR,
  type Places,
} from './places.ts'

export interface Component {
  readonly name: ComponentName
  readonly command: readonly string[]
  /** Started only when these answer. */
  readonly needs: readonly Readiness[]
}

export type ComponentName =
  | 'etcd'
  | 'containerd'
  | 'kube-apiserver'
  | 'kube-controller-manager'
  | 'kube-scheduler'
  | 'kubelet'
  | 'kube-proxy'
  | 'kube-router'

/** `api`: it answers /readyz. `cri`: containerd's plugin for kubelets is ready. `node`: the node is registered. */
export type Readiness = 'api' | 'cri' | 'node'

export const componentsOf = (places: Places, programs: string): readonly Component[] => {
  const program = (name: string): string => path.join(programs, name)
  const pki = (name: string): string => path.join(places.pki, name)
  const inControl = ['ip', 'netns', 'exec', CONTROL_NAMESPACE]
  const etcd = 'http://127.0.0.1:2379'
  const client = `--kubeconfig=${places.kubeconfig}`
  return [
    {
      name: 'etcd',
      needs: [],
      command: [
        ...inControl,
        'etcd',
        `--data-dir=${path.join(places.state, 'etcd')}`,
        `--listen-client-urls=${etcd}`,
        `--advertise-client-urls=${etcd}`,
        '--listen-peer-urls=http://127.0.0.1:2380',
        // What it wrote outlives the process, not the machine: enough for a cluster to try out.
        '--unsafe-no-fsync',
      ],
    },
    {
      name: 'containerd',
      needs: [],
      command: [program('containerd'), '--config', path.join(places.state, 'containerd.toml')],
    },
    {
      name: 'kube-apiserver',
      needs: [],
      command: [
        ...inControl,
        program('kube-apiserver'),
        `--etcd-servers=${etcd}`,
        '--secure-port=6443',
        `--bind-address=${CONTROL_IP}`,
        `--advertise-address=${CONTROL_IP}`,
        `--tls-cert-file=${pki('apiserver.crt')}`,
        `--tls-private-key-file=${pki('apiserver.key')}`,
        `--client-ca-file=${pki('ca.crt')}`,
        '--authorization-mode=Node,RBAC',
        '--enable-admission-plugins=NodeRestriction',
        `--kubelet-client-certificate=${pki('admin.crt')}`,
        `--kubelet-client-key=${pki('admin.key')}`,
        '--kubelet-preferred-address-types=InternalIP',
        '--service-account-issuer=https://kubernetes.default.svc',
        `--service-account-key-file=${pki('service-accounts.pub')}`,
        `--service-account-signing-key-file=${pki('service-accounts.key')}`,
        `--service-cluster-ip-range=${SERVICE_CIDR}`,
        '--allow-privileged=true',
        `--feature-gates=${featureGates()}`,
      ],
    },
    {
      name: 'kube-controller-manager',
      needs: ['api'],
      command: [
        program('kube-controller-manager'),
        client,
        `--root-ca-file=${pki('ca.crt')}`,
        `--service-account-private-key-file=${pki('service-accounts.key')}`,
        '--use-service-account-credentials',
        '--leader-elect=false',
      ],
    },
    {
      name: 'kube-scheduler',
      needs: ['api'],
      command: [program('kube-scheduler'), client, '--leader-elect=false'],
    },
    {
      name: 'kubelet',
      // One that starts before the plugin answers exits at once.
      needs: ['api', 'cri'],
      command: [
        program('kubelet'),
        client,
        `--config=${path.join(places.state, 'kubelet.json')}`,
        `--hostname-override=${NODE_NAME}`,
        `--node-ip=${NODE_IP}`,
        `--root-dir=${path.join(places.state, 'kubelet')}`,
        `--cert-dir=${path.join(places.state, 'kubelet/pki')}`,
      ],
    },
    {
      name: 'kube-proxy',
      needs: ['api'],
      command: [
        program('kube-proxy'),
        client,
        `--hostname-override=${NODE_NAME}`,
        '--proxy-mode=iptables',
        '--conntrack-max-per-core=0',
      ],
    },
    {
      name: 'kube-router',
      // It exits where its node does not exist yet.
      needs: ['api', 'node'],
      command: [
        program('kube-router'),
        client,
        `--hostname-override=${NODE_NAME}`,
        '--run-firewall=true',
        '--run-router=false',
        '--run-service-proxy=false',
        `--service-cluster-ip-range=${SERVICE_CIDR}`,
      ],
    },
  ]
}

const featureGates = (): string =>
  Object.entries(FEATURES)
    .map(([name, on]) => `${name}=${on}`)
    .join(',')
