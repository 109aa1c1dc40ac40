/** What the network plugin leaves behind for pods that nobody deleted. */
import { readdir, readFile, rm } from 'node:fs/promises'
import path from 'node:path'
import { runTool } from '../local/run-tool.ts'

const RESULTS = '/var/lib/cni/results'
const ADDRESSES = '/var/lib/cni/networks'

/** Removes the namespaces and addresses of every pod of the network `name`. */
export const removePodNetworks = async (name: string): Promise<void> => {
  for (const file of await readdir(RESULTS).catch(() => [])) {
    if (!file.startsWith(`${name}-`)) continue
    const record = await readFile(path.join(RESULTS, file), 'utf8')
    for (const namespace of new Set(record.match(/cni-[0-9a-f-]{36}/g)))
      await runTool('ip', ['netns', 'del', namespace]).catch(() => {})
    await rm(path.join(RESULTS, file), { force: true })
  }
  await rm(path.join(ADDRESSES, name), { recursive: true, force: true })
}
