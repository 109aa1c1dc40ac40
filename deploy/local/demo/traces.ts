import { readdir, readFile } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { CoreV1Api, KubeConfig } from '@kubernetes/client-node'
import { placesOf } from '../../cluster/places.ts'

/** What can be seen of a compute while it is up: `pod …`, `process …`; nothing once it sleeps. */
export interface Traces {
  of(computeId: string): Promise<readonly string[]>
}

export const tracesOn = (runtime: string): Traces =>
  runtime === 'kubernetes' ? podTraces() : { of: async (computeId) => processTraces([computeId]) }

/** Pods by label in every namespace, and processes of this machine that name one of their containers. */
const podTraces = (): Traces => {
  const config = new KubeConfig()
  const { kubeconfig } = placesOf()
  if (process.env['KUBECONFIG'] === undefined && existsSync(kubeconfig))
    config.loadFromFile(kubeconfig)
  else config.loadFromDefault()
  const core = config.makeApiClient(CoreV1Api)
  // A pod that is gone tells its containers no more.
  const containers = new Map<string, Set<string>>()
  return {
    async of(computeId) {
      const labelSelector = `dormouse.dev/compute=${computeId}`
      const { items } = await core.listPodForAllNamespaces({ labelSelector })
      const known = containers.get(computeId) ?? new Set()
      containers.set(computeId, known)
      for (const { metadata, status } of items)
        for (const id of [
          metadata?.uid,
          ...(status?.containerStatuses ?? []).map(({ containerID }) =>
            containerID?.replace(/^.*:\/\//, ''),
          ),
        ])
          if (id) known.add(id)
      const pods = items.map(({ metadata }) => `pod ${metadata?.namespace}/${metadata?.name}`)
      return [...pods, ...(await processTraces([computeId, ...known]))]
    },
  }
}

/** Processes of this machine that name one of these in their command line or cgroup. */
const processTraces = async (names: readonly string[]): Promise<readonly string[]> => {
  const found: string[] = []
  for (const name of await readdir('/proc')) {
    const pid = Number(name)
    if (!Number.isInteger(pid) || pid === process.pid) continue
    const texts = await Promise.all(
      ['cmdline', 'cgroup'].map((file) =>
        readFile(`/proc/${name}/${file}`, 'utf8').catch(() => ''),
      ),
    )
    if (names.some((one) => texts.some((text) => text.includes(one)))) found.push(`process ${pid}`)
  }
  return found
}
