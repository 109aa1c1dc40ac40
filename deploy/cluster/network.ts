/** The node's own address, and the control plane's host; both idempotent. */
import { writeFile } from 'node:fs/promises'
import { runTool } from '../local/run-tool.ts'
import {
  CONTROL_GATEWAY_IP,
  CONTROL_IP,
  CONTROL_LINK,
  CONTROL_NAMESPACE,
  NODE_IP,
  NODE_LINK,
  POD_CIDR,
  POD_LINK,
  POD_NETWORK,
} from './places.ts'

export const makeNetwork = async (): Promise<void> => {
  await refuseTakenAddress()
  if (!(await hasLink(NODE_LINK))) await ip('link', 'add', NODE_LINK, 'type', 'bridge')
  await ip('addr', 'replace', `${NODE_IP}/32`, 'dev', NODE_LINK)
  await ip('link', 'set', NODE_LINK, 'up')
  if (!(await hasNamespace())) await ip('netns', 'add', CONTROL_NAMESPACE)
  if (!(await hasLink(CONTROL_LINK)))
    await ip(
      ...['link', 'add', CONTROL_LINK, 'type', 'veth', 'peer', 'name', 'eth0'],
      ...['netns', CONTROL_NAMESPACE],
    )
  await ip('addr', 'replace', `${CONTROL_GATEWAY_IP}/30`, 'dev', CONTROL_LINK)
  await ip('link', 'set', CONTROL_LINK, 'up')
  const inside = ['-n', CONTROL_NAMESPACE]
  await ip(...inside, 'addr', 'replace', `${CONTROL_IP}/30`, 'dev', 'eth0')
  await ip(...inside, 'link', 'set', 'eth0', 'up')
  await ip(...inside, 'link', 'set', 'lo', 'up')
  await ip(...inside, 'route', 'replace', 'default', 'via', CONTROL_GATEWAY_IP)
  await writeFile('/proc/sys/net/ipv4/ip_forward', '1')
  await masqueradePods()
}

/** One rule for all of them, found again by its comment. */
const masqueradePods = async (): Promise<void> => {
  const rule = [
    ...['POSTROUTING', '--source', POD_CIDR, '!', '--destination', POD_CIDR],
    ...['--match', 'comment', '--comment', POD_NETWORK, '--jump', 'MASQUERADE'],
  ]
  const nat = ['--wait', '--table', 'nat']
  await runTool('iptables', [...nat, '--check', ...rule]).catch(() =>
    runTool('iptables', [...nat, '--append', ...rule]),
  )
}

/** What is gone already stays gone without a word. */
export const removeNetwork = async (): Promise<void> => {
  // The namespace takes its end of the pair along, a moment later: the links go first.
  for (const link of [CONTROL_LINK, POD_LINK, NODE_LINK])
    if (await hasLink(link))
      await ip('link', 'del', link).catch(async (error) => {
        if (await hasLink(link)) throw error
      })
  if (await hasNamespace()) await ip('netns', 'del', CONTROL_NAMESPACE)
}

const refuseTakenAddress = async (): Promise<void> => {
  const taken = (await ip('-o', '-4', 'addr', 'show'))
    .split('\n')
    .map((line) => /^\d+: (\S+)\s+inet ([\d.]+)\//.exec(line))
    .find(
      (match) =>
        match !== null &&
        ([NODE_IP, CONTROL_GATEWAY_IP] as string[]).includes(match[2] ?? '') &&
        match[1] !== NODE_LINK &&
        match[1] !== CONTROL_LINK,
    )
  if (taken)
    throw new Error(
      `the address ${taken[2]}, which the cluster needs, is on the link ${taken[1]}: another cluster runs on this machine. Stop that one, or use it: KUBECONFIG`,
    )
}

const hasLink = (name: string): Promise<boolean> =>
  ip('link', 'show', name).then(
    () => true,
    () => false,
  )

const hasNamespace = async (): Promise<boolean> =>
  (await ip('netns', 'list')).split('\n').some((line) => line.split(' ')[0] === CONTROL_NAMESPACE)

const ip = (...args: readonly string[]): Promise<string> => runTool('ip', args)
