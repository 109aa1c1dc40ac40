/** Stops exactly what `clusterUp` started, and takes away what it and its pods left on the machine. */
import { readFile, rm } from 'node:fs/promises'
import type { Board } from '../local/board.ts'
import { trySignal } from '../local/proc.ts'
import { runTool } from '../local/run-tool.ts'
import { programsDir } from './binaries.ts'
import { componentsOf } from './components.ts'
import { leftoverProcesses } from './leftovers.ts'
import { kubectl } from './kubectl.ts'
import { removeNetwork } from './network.ts'
import { POD_NETWORK, placesOf, type Places } from './places.ts'
import { removePodNetworks } from './pod-networks.ts'
import { removeRules } from './rules.ts'
import { killMarked, runningMark } from './processes.ts'

const PODS_WITHIN_S = 20

/** `keep`: the objects, the images and the certificates stay for the next start. */
export const clusterDown = async (board: Board, keep: boolean): Promise<void> => {
  const places = placesOf()
  await board.during('cluster', async (say) => {
    if (!keep) {
      say('pods')
      await deletePods(places)
    }
    say('processes')
    const names = componentsOf(places, programsDir()).map(({ name }) => name)
    await killMarked(places, names.toReversed())
    for (const pid of await leftoverProcesses()) trySignal(pid, 'SIGKILL')
    say('mounts, networks and rules')
    await unmountUnder([places.state, places.run])
    await removePodNetworks(POD_NETWORK)
    await removeNetwork()
    await rm(places.run, { recursive: true, force: true })
    if (!keep) await rm(places.state, { recursive: true, force: true })
    await removeRules()
  })
}

/** Where the API still answers, pods end in order and take their own networks with them. */
const deletePods = async (places: Places): Promise<void> => {
  if (runningMark(places, 'kube-apiserver') === undefined) return
  const all = ['--all', '--all-namespaces']
  for (const kind of ['deployments,statefulsets,daemonsets,jobs,replicasets', 'pods'])
    await kubectl(places.kubeconfig, [
      ...['delete', kind, ...all, '--grace-period=1', `--timeout=${PODS_WITHIN_S}s`],
      ...['--ignore-not-found', `--request-timeout=${PODS_WITHIN_S}s`],
    ]).catch(() => {})
}

const unmountUnder = async (folders: readonly string[]): Promise<void> => {
  const mounts = (await readFile('/proc/self/mounts', 'utf8'))
    .split('\n')
    .map((line) => (line.split(' ')[1] ?? '').replaceAll('\\040', ' '))
    .filter((mount) => folders.some((folder) => mount.startsWith(`${folder}/`)))
  // The deepest first; lazily, as a dying process may still stand in it.
  for (const mount of mounts.toReversed())
    await runTool('umount', ['--lazy', mount]).catch(() => {})
}
