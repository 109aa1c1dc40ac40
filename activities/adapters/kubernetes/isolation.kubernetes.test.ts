import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { anySpec } from '../../contracts/runtime.contract.ts'
import type { SandboxSpec } from '../../ports.ts'
import { HEADROOM_BYTES } from './pod-manifest.ts'
import { createKubernetesRuntime } from './runtime.ts'
import { openSuiteNamespace, type SuiteNamespace } from './testing/suite-namespace.ts'

describe('inside a pod of the kubernetes runtime', () => {
  let suite: SuiteNamespace
  const spec: SandboxSpec = { ...anySpec(), image: { name: 'base', digest: 'base' } }
  beforeAll(async () => {
    suite = await openSuiteNamespace()
    await createKubernetesRuntime(suite.config).ensure(spec)
  })
  afterAll(() => suite.end())

  const sees = async (command: string): Promise<string> =>
    (await suite.exec(spec, ['/bin/sh', '-c', `(${command}) 2>/dev/null || echo refused`])).trim()

  it('the kernel is gVisor', async () => {
    expect(await sees('dmesg')).toContain('Starting gVisor')
  })

  it('the user is not root, holds no capability and gains none', async () => {
    expect(await sees('id -u; id -g')).toBe('1000\n1000')
    expect(await sees('grep CapEff /proc/self/status')).toMatch(/0000000000000000/)
    expect(await sees('grep NoNewPrivs /proc/self/status')).toMatch(/1$/)
    for (const command of ['mount -t tmpfs none /mnt', 'chroot / true', 'mknod /tmp/x b 8 0'])
      expect(`${command}: ${await sees(command)}`).toBe(`${command}: refused`)
  })

  it('nothing but home, /opt/env and /tmp can be written', async () => {
    for (const folder of ['/', '/usr', '/etc', '/var', '/opt', '/home', '/.dormouse', '/run'])
      expect(`${folder} ${await sees(`touch ${folder}/x`)}`).toBe(`${folder} refused`)
    expect(await sees('touch /tmp/x ~/x /opt/env/x && echo ok')).toBe('ok')
  })

  it('there is no account of the cluster, and no credential in any environment', async () => {
    expect(await sees('ls /var/run/secrets /run/secrets')).toBe('refused')
    const all = await sees("cat /proc/[0-9]*/environ | tr '\\0' '\\n' | sort -u")
    for (const name of ['TOKEN', 'PASSWORD', 'DATABASE_URL', 'S3_', 'SIGNING', 'SEAL'])
      expect(all).not.toContain(name)
  })

  it('its memory and CPUs are its own, and the processes of no other pod are there', async () => {
    const kib = Number((await sees('grep MemTotal /proc/meminfo')).match(/\d+/)?.[0])
    expect(kib * 1024).toBeLessThanOrEqual(spec.memoryBytes + HEADROOM_BYTES)
    expect(Number(await sees('ls /proc | grep -c "^[0-9]"'))).toBeLessThan(8)
    expect(await sees('hostname')).toBe(spec.computeId)
  })
})
