/** Starts what does not run of the node's processes, in their order, until the node is ready. */
import { componentsOf, type Component, type Readiness } from './components.ts'
import { ctr } from './containerd.ts'
import { kubectl } from './kubectl.ts'
import { NODE_NAME, type Places } from './places.ts'
import { waitUntil } from '../wait-until.ts'
import { logOf, runningMark, startComponent } from './processes.ts'

const PART_WITHIN_MS = 60_000

export const startNode = async (
  places: Places,
  programs: string,
  say: (component: string) => void,
): Promise<void> => {
  const startedAtMs = Date.now()
  let kubeletIsNew = false
  for (const component of componentsOf(places, programs)) {
    say(component.name)
    const isNew = await startReady(places, component, programs)
    if (component.name === 'kubelet') kubeletIsNew = isNew
  }
  await waitUntil('the node', () => ready(places, 'node'), { withinMs: PART_WITHIN_MS })
  // Its condition may be of the kubelet before; only a new one renews the lease at once.
  if (kubeletIsNew)
    await waitUntil('the kubelet', () => leaseRenewedSince(places, startedAtMs), {
      withinMs: PART_WITHIN_MS,
      logFile: logOf(places, 'kubelet'),
    })
}

/** When what it needs answers; true when it did not run. */
export const startReady = async (
  places: Places,
  component: Component,
  programs: string,
): Promise<boolean> => {
  for (const need of component.needs) {
    const waitedFor = SERVED_BY[need]
    await waitUntil(waitedFor, () => ready(places, need), {
      withinMs: PART_WITHIN_MS,
      logFile: logOf(places, waitedFor),
      ended: () =>
        runningMark(places, waitedFor) === undefined ? 'its process has ended' : undefined,
    })
  }
  // containerd finds its shims on PATH, kubelet and kube-proxy the Debian tools.
  const env = { PATH: `${programs}:/usr/local/sbin:/usr/sbin:/sbin:${process.env['PATH'] ?? ''}` }
  return startComponent(places, component, { ...env, HOME: places.state })
}

const SERVED_BY = { api: 'kube-apiserver', cri: 'containerd', node: 'kubelet' } as const

const ready = async (places: Places, what: Readiness): Promise<void> => {
  if (what === 'api') return void (await kubectl(places.kubeconfig, ['get', '--raw', '/readyz']))
  if (what === 'cri') {
    const plugins = await ctr(['plugins', 'list'], places.socket)
    if (!/io\.containerd\.grpc\.v1\s+cri\s.*\sok\b/.test(plugins))
      throw new Error('its plugin for kubelets is not ready')
    return
  }
  const conditions = '{.status.conditions[?(@.type=="Ready")].status}'
  const args = ['get', 'node', NODE_NAME, '--output', `jsonpath=${conditions}`]
  const status = await kubectl(places.kubeconfig, args)
  if (status.trim() !== 'True') throw new Error(`the node's condition Ready is "${status.trim()}"`)
}

const leaseRenewedSince = async (places: Places, sinceMs: number): Promise<void> => {
  const renewTime = await kubectl(places.kubeconfig, [
    ...['--namespace', 'kube-node-lease', 'get', 'lease', NODE_NAME],
    ...['--output', 'jsonpath={.spec.renewTime}'],
  ])
  if (!(Date.parse(renewTime) >= sinceMs))
    throw new Error(`it last told that it lives at ${renewTime}`)
}
