/** Puts the wall's rules into the node's packet filter. Needs NET_ADMIN in the node's network namespace. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { TABLE, wallRules, type Wall } from './rules.ts'

const FAMILIES = [
  { family: 4, iptables: 'iptables' },
  { family: 6, iptables: 'ip6tables' },
] as const

/** Idempotent; also puts the chain back into what the node takes in, if somebody removed it from there. */
export const raiseWall = async (wall: Wall): Promise<void> => {
  for (const { family, iptables } of FAMILIES) {
    // A node without IPv6 has nothing to close there.
    if (family === 6 && !wall.pods.some((pod) => pod.includes(':'))) continue
    await run(`${iptables}-restore`, ['--wait', '--noflush'], wallRules(wall, family))
    const rule = ['INPUT', '--jump', wall.chain]
    const change = (how: string) => run(iptables, ['--wait', '--table', TABLE, how, ...rule])
    await change('--check').catch(() => change('--append'))
  }
}

/** Where no compute is left that it would hold back. */
export const lowerWall = async (chain: string): Promise<void> => {
  for (const { iptables } of FAMILIES)
    for (const rest of [
      ['--delete', 'INPUT', '--jump', chain],
      ['--flush', chain],
      ['--delete-chain', chain],
    ])
      await run(iptables, ['--wait', '--table', TABLE, ...rest]).catch(() => undefined)
}

const run = async (command: string, args: readonly string[], input = ''): Promise<string> => {
  const child = spawn(command, args, { stdio: 'pipe' })
  const exit = once(child, 'close')
  // One that reads nothing may have ended already.
  child.stdin.on('error', () => undefined)
  child.stdin.end(input)
  const [out, said] = await Promise.all([text(child.stdout), text(child.stderr)])
  const [code] = (await exit) as [number | null]
  if (code !== 0) throw new Error(`${command} ${args.join(' ')}: ${said.trim()}`)
  return out
}
