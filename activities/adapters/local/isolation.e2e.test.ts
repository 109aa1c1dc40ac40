import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startGround, type Ground } from '../../testing/ground.ts'
import { startWatchdog } from './watchdog.ts'

const cause = { reason: 'created', actor: 'user:suite' } as const

describe('inside a sandbox of the local runtime', () => {
  let ground: Ground
  let id: string
  beforeAll(async () => {
    ground = await startGround()
    id = await ground.newCompute({ env: { TOKEN: 'of the user' } })
    await ground.control.provision({ computeId: id, generation: 1, as: 'provisioning', cause })
  })
  afterAll(() => ground.end())

  const sees = async (command: string): Promise<string> =>
    (await ground.run(id, `(${command}) 2>/dev/null || echo refused`)).trim()

  it('no file of the host can be read that is not for everybody, and nothing written', async () => {
    expect(await sees('ls /root')).toBe('refused')
    expect(await sees(`ls ${path.resolve('.')}`)).toBe('refused')
    expect(await sees(`ls ${ground.stateDir}`)).toBe('refused')
    expect(await sees('cat /etc/shadow')).toBe('refused')
    for (const folder of ['/', '/usr', '/etc', '/run', '/var', '/opt', '/home', '/.dormouse'])
      expect(`${folder} ${await sees(`touch ${folder}/x`)}`).toBe(`${folder} refused`)
    expect(await sees('touch /tmp/x ~/x /opt/env/x && echo ok')).toBe('ok')
  })

  it('the user has no capability, and no switch of the kernel is writable', async () => {
    expect(await sees('grep CapEff /proc/self/status')).toMatch(/0000000000000000/)
    expect(await sees('grep NoNewPrivs /proc/self/status')).toMatch(/1$/)
    // Writable to the host's root even without capabilities: why the user inside must not be it.
    expect(await sees('test -w /proc/sys/kernel/core_pattern')).toBe('refused')
    expect(await sees('test -w /proc/sysrq-trigger')).toBe('refused')
    expect(await sees('mount -t tmpfs none /mnt')).toBe('refused')
    expect(await sees('mount -o remount,rw /usr')).toBe('refused')
  })

  it('only its own processes are there, under its own name and user', async () => {
    expect(await sees('id -un')).toBe('user')
    expect(await sees('hostname')).toBe(id)
    expect(Number(await sees('ls /proc | grep -c "^[0-9]"'))).toBeLessThan(12)
  })

  it('without a network reaches nothing, also not what listens on the machine', async () => {
    const { hostname, port } = new URL(process.env['DATABASE_URL'] ?? '')
    expect(await sees(`timeout 2 bash -c "echo > /dev/tcp/${hostname}/${port}"`)).toBe('refused')
  })

  it('no credential of the platform is in any environment', async () => {
    const all = await sees("cat /proc/[0-9]*/environ | tr '\\0' '\\n' | sort -u")
    for (const name of ['DATABASE_URL', 'S3_', 'SIGNING', 'SEAL', 'TEMPORAL'])
      expect(all).not.toContain(name)
    expect(all).toContain('TOKEN=of the user')
  })

  it('watched: what takes too much memory is ended, never the sidekick, and it is told', async () => {
    const watchdog = startWatchdog(ground.stateDir, 50)
    try {
      const hog = 'head -c 700m /dev/zero | tail -c 700m | sleep 30; exit 0'
      await ground.run(
        id,
        `(${hog}) & sleep 1; for i in $(seq 200); do pgrep tail || exit 0; sleep 0.1; done; exit 1`,
      )
    } finally {
      await watchdog.stop()
    }
    await sleep(50)
    const [listed] = await ground.runtime.list()
    expect(listed?.running).toBe(true)
    expect(listed?.outOfMemoryAtMs).toBeGreaterThan(Date.now() - 60_000)
    expect(await ground.run(id, 'echo still here')).toBe('still here\n')
  })

  it('a fork bomb stays within its processes and can be stopped', async () => {
    const bomb = 'for i in $(seq 400); do sleep 8 & done; true'
    await ground.run(id, `bash -c '${bomb}' >/dev/null 2>&1; true`)
    const count = Number(await sees('ls /proc | grep -c "^[0-9]"'))
    expect(count).toBeLessThan(270)
    await ground.run(id, 'pkill sleep; true')
  })
})
