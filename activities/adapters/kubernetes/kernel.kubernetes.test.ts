import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { anySpec } from '../../contracts/runtime.contract.ts'
import { createKubernetesRuntime } from './runtime.ts'
import { openSuiteNamespace, type SuiteNamespace } from './testing/suite-namespace.ts'

/** What is given: each with why that is bearable in docs/kernel.md. A new one is a change of the wall. */
const GIVEN = [
  'unshare user',
  'mount in own namespaces',
  'raw socket in own namespaces',
  'ping socket',
  'netlink route',
  '/dev/fuse',
  '/dev/net/tun',
  'keyring',
  '/proc/sidekick/environ',
  '/proc/sidekick/maps',
  'signal to sidekick',
  'dmesg',
]

describe('the kernel that a compute sees', () => {
  let suite: SuiteNamespace
  const spec = { ...anySpec(), image: { name: 'base', digest: 'base' } }
  const inside = (command: string) => suite.exec(spec, ['/bin/sh', '-c', command])
  let answers: Readonly<Record<string, string>>
  beforeAll(async () => {
    suite = await openSuiteNamespace()
    await createKubernetesRuntime(suite.config).ensure(spec)
    const probe = path.join(import.meta.dirname, 'testing/kernel-probe.py')
    const sidekick = (await inside('pgrep -of sidekick.mjs')).trim()
    const argv = ['python3', '-c', await readFile(probe, 'utf8'), sidekick]
    answers = JSON.parse(await suite.exec(spec, argv)) as typeof answers
  })
  afterAll(() => suite.end())

  it('is gVisor’s, by its log and its version', async () => {
    expect(await inside('dmesg')).toContain('Starting gVisor')
    expect(await inside('uname -a')).toContain('gvisor')
  })

  it('refuses every way to the node, to other processes and to more rights', () => {
    const refused = Object.entries(answers).filter(([name]) => !GIVEN.includes(name))
    expect(refused.length).toBeGreaterThan(60)
    for (const [name, answer] of refused)
      expect(`${name}: ${answer}`).toMatch(/: (?:E[A-Z]+|TimeoutError)$/)
  })

  it('gives what is written down, no more and no less', () => {
    const given = Object.entries(answers).filter(([, answer]) => answer.startsWith('ok'))
    expect(given.map(([name]) => name).toSorted()).toEqual(GIVEN.toSorted())
  })

  it('a program with the set-user-id bit gives nothing: no new privileges', async () => {
    const found = await inside('find /usr /bin -xdev -perm -4000 2>/dev/null; true')
    expect(found).toContain('/su')
    expect(await inside('su root -c id </dev/null 2>&1 || true')).not.toContain('uid=0')
    expect(await inside('mount -t tmpfs none /tmp 2>&1 || echo refused')).toContain('refused')
  })
})
