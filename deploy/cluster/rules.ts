/** The firewall's rules that a cluster leaves behind. */
import { spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { text } from 'node:stream/consumers'
import { runTool } from '../local/run-tool.ts'
import { POD_NETWORK } from './places.ts'

const ATTEMPTS = 10
const PAUSE_MS = 300

export const removeRules = async (): Promise<void> => {
  for (let attempt = 1; ; attempt++)
    try {
      await restore(removalOf(await runTool('iptables-save', []), POD_NETWORK))
      break
    } catch (error) {
      // What the killed parts had started may still write rules of its own.
      if (attempt === ATTEMPTS) throw error
      await sleep(PAUSE_MS)
    }
  const sets = (await runTool('ipset', ['list', '-name'])).split('\n')
  for (const name of sets.filter((set) => /^(inet6:)?KUBE-/.test(set)))
    await runTool('ipset', ['destroy', name]).catch(() => {}) // one that somebody still matches with
}

/**
 * From `iptables-save`, the input of `iptables-restore --noflush` that takes away Kubernetes' and
 * kube-router's chains, the jumps to them, and rules whose comment is `comment`.
 */
export const removalOf = (saved: string, comment: string): string => {
  const script: string[] = []
  for (const table of saved.split(/^(?=\*)/m)) {
    const lines = table.split('\n')
    const chains = lines
      .map((line) => /^:(KUBE-\S+)/.exec(line)?.[1])
      .filter((chain) => chain !== undefined)
    const rules = lines.filter((line) => {
      const [, from, to] = /^-A (\S+) .*-[jg] (\S+)/.exec(line) ?? []
      if (from === undefined || chains.includes(from)) return false
      return chains.includes(to ?? '') || line.includes(` --comment ${comment} `)
    })
    if (chains.length + rules.length === 0) continue
    script.push(
      lines.find((line) => line.startsWith('*')) ?? '',
      ...rules.map((line) => line.replace('-A ', '-D ')),
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
