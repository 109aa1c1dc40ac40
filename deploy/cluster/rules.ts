/** The firewall's rules that a cluster leaves behind: Kubernetes', kube-router's and the pod network's. */
import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { runTool } from '../local/run-tool.ts'
import { POD_NETWORK } from './places.ts'

export const removeRules = async (): Promise<void> => {
  await restore(removalOf(await runTool('iptables-save', []), POD_NETWORK))
  const sets = (await runTool('ipset', ['list', '-name'])).split('\n')
  for (const name of sets.filter((set) => /^(inet6:)?KUBE-/.test(set)))
    await runTool('ipset', ['destroy', name]).catch(() => {}) // one that somebody still matches with
}

/** From `iptables-save`, the input of `iptables-restore --noflush` that takes our chains away. */
export const removalOf = (saved: string, podNetwork: string): string => {
  const script: string[] = []
  for (const table of saved.split(/^(?=\*)/m)) {
    const lines = table.split('\n')
    const masquerading = lines.filter((line) => line.includes(`name: \\"${podNetwork}\\"`))
    const chains = [
      ...lines.map((line) => /^:(KUBE-\S+)/.exec(line)?.[1]),
      ...masquerading.map((line) => /^-A POSTROUTING .* -j (CNI-\S+)$/.exec(line)?.[1]),
    ].filter((chain) => chain !== undefined)
    if (chains.length === 0) continue
    const jumps = lines.filter((line) => {
      const [, from, to] = /^-A (\S+) .*-[jg] (\S+)/.exec(line) ?? []
      return from !== undefined && chains.includes(to ?? '') && !chains.includes(from)
    })
    script.push(
      lines.find((line) => line.startsWith('*')) ?? '',
      ...jumps.map((line) => line.replace('-A ', '-D ')),
      // A line of this kind empties the chain: then none of them is named by another.
      ...chains.map((chain) => `:${chain} - [0:0]`),
      ...chains.map((chain) => `-X ${chain}`),
      'COMMIT',
    )
  }
  return script.map((line) => `${line}\n`).join('')
}

const restore = async (script: string): Promise<void> => {
  if (script === '') return
  const child = spawn('iptables-restore', ['--noflush', '--wait'], {
    stdio: ['pipe', 'ignore', 'pipe'],
  })
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  child.stdin.end(script)
  const [code, said] = await Promise.all([ended, text(child.stderr)])
  if (code !== 0) throw new Error(`iptables-restore: ${said.trim()}`)
}
