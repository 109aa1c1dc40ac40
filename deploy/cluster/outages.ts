/**
 * For tests: a part of the cluster dies, and comes again. Only of the one that was started on this
 * machine; errors say so where KUBECONFIG names another.
 */
import { trySignal } from '../local/proc.ts'
import { runTool } from '../local/run-tool.ts'
import { programsDir } from './binaries.ts'
import { componentsOf, type ComponentName } from './components.ts'
import { processes } from './leftovers.ts'
import { givenKubeconfig, placesOf, POD_NETWORK, type Places } from './places.ts'
import { killMarked, runningMark } from './processes.ts'
import { startNode, startReady } from './start-node.ts'

/** SIGKILL. Errors: it did not run. */
export const killComponent = async (name: ComponentName): Promise<void> => {
  const places = ownPlaces()
  if (runningMark(places, name) === undefined) throw new Error(`${name} does not run`)
  await killMarked(places, [name])
}

/** Starts this one, when what it needs answers; `args` go behind its own, and win. */
export const startComponent = async (
  name: ComponentName,
  args: readonly string[] = [],
): Promise<void> => {
  const places = ownPlaces()
  const component = componentsOf(places, programsDir()).find((one) => one.name === name)
  if (component === undefined) throw new Error(`the cluster has no ${name}`)
  await startReady(
    places,
    { ...component, command: [...component.command, ...args] },
    programsDir(),
  )
}

/** Starts whatever does not run, until the node is ready. */
export const startMissing = (): Promise<void> => startNode(ownPlaces(), programsDir(), () => {})

/** SIGKILL of the gVisor process that a pod runs in; false: there is none now. */
export const killSandbox = async (namespace: string, pod: string): Promise<boolean> => {
  ownPlaces()
  const pid = await sandboxPid(namespace, pod)
  if (pid !== undefined) trySignal(pid, 'SIGKILL')
  return pid !== undefined
}

/** Of the gVisor process that a pod runs in, whatever the API says of the pod. */
export const sandboxPid = async (namespace: string, pod: string): Promise<number | undefined> =>
  (await processes()).find(
    ({ argv }) =>
      argv[0] === 'runsc-sandbox' && argv.some((word) => word.includes(`/${namespace}_${pod}_`)),
  )?.pid

/** gVisor's systrap has two processes of its own at first, and one more for each of the guest's. */
const OWN_PROCESSES = 2

/**
 * Whether anything runs in the pod's sandbox yet. One that is killed before lets `runsc start` wait for
 * it for a minute, and kubelet with it; its pod may stay in Terminating for minutes more.
 */
export const isSandboxStarted = async (namespace: string, pod: string): Promise<boolean> => {
  const pid = await sandboxPid(namespace, pod)
  const children = (await processes()).filter(({ parent }) => parent === pid)
  return pid !== undefined && children.length > OWN_PROCESSES
}

/** Nothing goes from this machine to that address any more; answers what undoes it, as often as wanted. */
export const cutOff = async (ip: string): Promise<() => Promise<void>> => {
  ownPlaces()
  // By this comment cluster:down finds what a test that was killed left behind.
  const rule = ['OUTPUT', '-d', ip, '-m', 'comment', '--comment', POD_NETWORK, '-j', 'DROP']
  await runTool('iptables', ['--wait', '--insert', ...rule])
  let isCut = true
  return async () => {
    if (isCut) await runTool('iptables', ['--wait', '--delete', ...rule])
    isCut = false
  }
}

const ownPlaces = (): Places => {
  if (givenKubeconfig() !== undefined)
    throw new Error('KUBECONFIG names a cluster that was not started here: nothing of it is killed')
  return placesOf()
}
