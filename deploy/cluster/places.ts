/** Names, addresses and folders of the one cluster that a machine can have. */
import { realpathSync } from 'node:fs'
import path from 'node:path'
import { homeDir } from '../local/home.ts'

export const NODE_NAME = 'node1'
/** The node's own address, on a bridge: it may not be loopback, and not every kernel has dummy links. */
export const NODE_IP = '10.99.0.1'
export const NODE_LINK = 'dormouse-node0'

/**
 * The control plane is a host of its own (a network namespace): what a pod sends there is forwarded, so
 * network policies hold for it. What a pod sends to its own node's addresses, they do not see.
 */
export const CONTROL_NAMESPACE = 'dormouse-control'
export const CONTROL_LINK = 'dormouse-ctl0'
export const CONTROL_IP = '10.99.1.2'
export const CONTROL_GATEWAY_IP = '10.99.1.1'

export const POD_LINK = 'dormouse-pods0'
export const POD_NETWORK = 'dormouse-pods'
export const POD_CIDR = '10.244.0.0/24'
export const SERVICE_CIDR = '10.96.0.0/16'
export const FIRST_SERVICE_IP = '10.96.0.1'
export const DNS_SERVICE_IP = '10.96.0.10'

export const PAUSE_IMAGE = 'docker.io/dormouse/pause:2'
export const DNS_IMAGE = 'docker.io/dormouse/dns:1'

export interface Places {
  /** Everything that outlives a restart. */
  readonly state: string
  /** Sockets, and what containerd keeps of running containers; short, as socket paths must be. */
  readonly run: string
  readonly socket: string
  readonly kubeconfig: string
  readonly pki: string
  readonly logs: string
  readonly marks: string
}

export const RUN_DIR = '/run/dormouse-cluster'

/** Under DORMOUSE_CLUSTER_DIR, else in Dormouse's own folder. */
export const placesOf = (
  env: Readonly<Record<string, string | undefined>> = process.env,
): Places => {
  const state = path.resolve(env['DORMOUSE_CLUSTER_DIR'] || path.join(homeDir(env), 'cluster'))
  return {
    state,
    run: RUN_DIR,
    socket: path.join(RUN_DIR, 'containerd.sock'),
    kubeconfig: path.join(state, 'kubeconfig'),
    pki: path.join(state, 'pki'),
    logs: path.join(state, 'logs'),
    marks: path.join(state, 'processes'),
  }
}

/** KUBECONFIG, where it names another cluster than the one that is started here. */
export const givenKubeconfig = (
  env: Readonly<Record<string, string | undefined>> = process.env,
): string | undefined => {
  const given = env['KUBECONFIG']
  return given && realPath(given) !== realPath(placesOf(env).kubeconfig) ? given : undefined
}

const realPath = (file: string): string => {
  try {
    return realpathSync(file)
  } catch {
    return path.resolve(file)
  }
}
