/** What the network plugin leaves behind for pods that nobody deleted. */
import { readdir, readFile, rm } from 'node:fs/promises'
import path from 'node:path'
import { runTool } from '../local/run-tool.ts'

const RESULTS = '/var/lib/cni/results'
const ADDRESSES = '/var/lib/cni/networks'

/** Removes the namespaces, addresses and masquerading rules of every pod of the network `name`. */
export const removePodNetworks = async (name: string): Promise<void> => {
  for (const file of await readdir(RESULTS).catch(() => [])) {
    if (!file.startsWith(`${name}-`)) continue
    const record = await readFile(path.join(RESULTS, file), 'utf8')
    for (const namespace of new Set(record.match(/cni-[0-9a-f-]{36}/g)))
      await runTool('ip', ['netns', 'del', namespace]).catch(() => {})
    await rm(path.join(RESULTS, file), { force: true })
  }
  await rm(path.join(ADDRESSES, name), { recursive: true, force: true })
  const rules = await runTool('iptables-save', ['-t', 'nat']).catch(() => '')
  for (const { rule, chain } of masqueradeRules(rules, name)) {
    await nat(['-D', ...rule])
    await nat(['-F', chain])
    await nat(['-X', chain])
  }
}

/** Of `iptables-save`, the jumps from POSTROUTING to chains of this network, as arguments of `iptables -D`. */
export const masqueradeRules = (
  saved: string,
  name: string,
): readonly { readonly rule: readonly string[]; readonly chain: string }[] =>
  saved.split('\n').flatMap((line) => {
    const [append, ...rule] = words(line)
    const comment = rule[rule.indexOf('--comment') + 1] ?? ''
    const chain = rule[rule.indexOf('-j') + 1] ?? ''
    return append === '-A' &&
      rule[0] === 'POSTROUTING' &&
      comment.startsWith(`name: "${name}" `) &&
      chain.startsWith('CNI-')
      ? [{ rule, chain }]
      : []
  })

/** Words of a saved rule; quoted ones hold spaces and escaped quotes. */
const words = (line: string): readonly string[] =>
  [...line.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map(([, quoted, plain]) =>
    quoted === undefined ? (plain ?? '') : quoted.replaceAll(/\\(.)/g, '$1'),
  )

const nat = (args: readonly string[]): Promise<unknown> =>
  runTool('iptables', ['-w', '-t', 'nat', ...args]).catch(() => {})
