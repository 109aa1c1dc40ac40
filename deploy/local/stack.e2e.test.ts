import { chmod, mkdtemp, readdir, readFile, readlink, rm, stat } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { launch, runningParts, type Launched } from '../../test/support/launched.ts'
import { killSandboxes } from '../../test/support/stack.ts'
import { visit, type Visitor } from '../../test/support/visitor.ts'
import { listenerOn } from './proc.ts'

const PARTS = ['api', 'data-worker', 'gateway', 'postgres', 'seaweedfs', 'temporal', 'worker']

describe('npm start', () => {
  let home = ''
  let running: Launched
  let visitor: Visitor
  let computeId = ''

  beforeAll(async () => {
    home = await mkdtemp(path.join(tmpdir(), 'dormouse-first-'))
    await chmod(home, 0o700)
    running = launch(home)
    visitor = await visit(await running.ready(170_000))
  })
  afterAll(async () => {
    for (const pid of [running.pid, ...runningParts(home).values()]) kill(pid)
    await running.ended
    await killSandboxes(home)
    await rm(home, { recursive: true, force: true })
  })

  test('brings up every part, and says where and with which login', async () => {
    expect([...runningParts(home).keys()].sort()).toEqual(PARTS)
    const { apiUrl, email, password } = await running.ready(0)
    expect((await fetch(`${apiUrl}/healthz`)).status).toBe(200)
    for (const text of [apiUrl, email, password]) expect(running.output()).toContain(text)
  })

  test('listens on this machine only', async () => {
    const sockets = await listeners([...runningParts(home).values()])
    expect(sockets.length).toBeGreaterThanOrEqual(6)
    expect(sockets.filter(({ address }) => address !== '127.0.0.1')).toEqual([])
  })

  test('keeps its secrets to their owner', async () => {
    for (const file of ['secrets.json', 'first-login.txt', 'metrics-token', 'seaweedfs/s3.json'])
      expect((await stat(path.join(home, file))).mode & 0o077, file).toBe(0)
  })

  test('runs computes', async () => {
    const compute = await visitor.client.computes.create({ name: 'first' }, { wait: 60 })
    computeId = compute.id
    expect(compute.state).toBe('running')
    expect(await visitor.run(computeId, 'echo kept > note && cat note')).toBe('kept\n')
  })

  test('a compute reaches the API like anybody, but no server behind it', async () => {
    const { apiUrl } = await running.ready(0)
    const answer = (port: number): Promise<string> =>
      visitor.run(
        computeId,
        `bash -c 'exec 3<>/dev/tcp/127.0.0.1/${port} && printf "GET / HTTP/1.0\\r\\n\\r\\n" >&3 && head -c 4 <&3' 2>/dev/null || true`,
      )
    expect(await answer(Number(new URL(apiUrl).port))).toBe('HTTP')
    const parts = runningParts(home)
    const doors = await listeners([parts.get('temporal') ?? 0, parts.get('seaweedfs') ?? 0])
    expect(doors).toHaveLength(3)
    for (const { port } of doors) expect(await answer(port)).toBe('')
  })

  test('metrics are for the holder of the token, of which no compute is one', async () => {
    const { apiUrl, gatewayUrl } = await running.ready(0)
    const token = await readFile(path.join(home, 'metrics-token'), 'utf8')
    for (const origin of [apiUrl, gatewayUrl]) {
      const { host, port } = new URL(origin)
      const seen = await visitor.run(
        computeId,
        `bash -c 'exec 3<>/dev/tcp/127.0.0.1/${port} && printf "GET /metrics HTTP/1.1\\r\\nHost: ${host}\\r\\nConnection: close\\r\\n\\r\\n" >&3 && cat <&3'`,
      )
      expect(seen).toMatch(/^HTTP\/1.1 40[13] /)
      const headers = { authorization: `Bearer ${token}` }
      expect((await fetch(`${origin}/metrics`, { headers })).status).toBe(200)
    }
  })

  test('a second one on the same folder is refused with the pid of the first', async () => {
    const second = launch(home)
    expect(await second.ended).toBe(1)
    expect(second.output()).toContain(`already runs on ${home}, as process ${running.pid}`)
  })

  test('a port that was asked for and is in use is refused with its holder', async () => {
    const holder = createServer()
    const port = await new Promise<number>((resolve) =>
      holder.listen(0, '127.0.0.1', () => {
        const address = holder.address()
        resolve(typeof address === 'object' && address !== null ? address.port : 0)
      }),
    )
    const other = await mkdtemp(path.join(tmpdir(), 'dormouse-port-'))
    const refused = launch(other, { DORMOUSE_API_PORT: String(port) })
    expect(await refused.ended).toBe(1)
    holder.close()
    expect(refused.output()).toContain(`port ${port} for api (set by DORMOUSE_API_PORT) is in use`)
    expect(refused.output()).toContain(`(pid ${process.pid})`)
    await rm(other, { recursive: true, force: true })
  })

  test('a killed worker comes back and the stack stays', async () => {
    const before = runningParts(home).get('worker') ?? 0
    kill(before)
    await vi.waitFor(
      () => expect([undefined, before]).not.toContain(runningParts(home).get('worker')),
      {
        timeout: 30_000,
        interval: 50,
      },
    )
    expect(running.child.exitCode).toBeNull()
    expect(await visitor.run(computeId, 'cat note')).toBe('kept\n')
  })

  test('Ctrl-C saves the computes, stops every part and frees the ports', async () => {
    await visitor.run(computeId, 'echo latest > note')
    const { apiUrl } = await running.ready(0)
    running.child.kill('SIGINT')
    running.child.kill('SIGINT') // npm sends it a second time
    expect(await running.ended).toBe(0)
    expect(running.output()).toContain('save')
    expect(running.output()).not.toContain('was not saved')
    expect(running.output()).toContain('1 compute runs on without it')
    expect(runningParts(home).size).toBe(0)
    expect(await listenerOn(Number(new URL(apiUrl).port))).toBeUndefined()
  })

  test('the second start takes less than ten seconds and finds the compute again', async () => {
    const startedAt = Date.now()
    running = launch(home)
    visitor = await visit(await running.ready(60_000))
    expect(Date.now() - startedAt).toBeLessThan(10_000)
    expect(running.output()).not.toContain('built')
    expect(await visitor.run(computeId, 'cat note')).toBe('latest\n')
  })

  test('after everything was killed the next start ends what is left and comes up', async () => {
    const parts = runningParts(home)
    kill(running.pid)
    // Some go with the launcher, as when memory runs out; some stay and hold ports and files.
    for (const name of ['api', 'postgres', 'worker']) kill(parts.get(name) ?? 0)
    await running.ended
    running = launch(home)
    visitor = await visit(await running.ready(60_000))
    expect(running.output()).toContain('ended temporal, left by a start that was killed')
    expect([...runningParts(home).keys()].sort()).toEqual(PARTS)
    await visitor.until(computeId, 'running', 60_000)
    expect(await visitor.run(computeId, 'cat note')).toBe('latest\n')
  })

  test('a compute whose processes were killed with everything else has its files', async () => {
    await visitor.run(computeId, 'echo unsaved > later')
    const parts = runningParts(home)
    for (const pid of [running.pid, ...parts.values()]) kill(pid)
    await running.ended
    await killSandboxes(home)
    running = launch(home)
    visitor = await visit(await running.ready(60_000))
    await visitor.client.computes.wake(computeId, { wait: 60 }).catch(() => undefined)
    await visitor.until(computeId, 'running', 90_000)
    expect(await visitor.run(computeId, 'cat note later')).toBe('latest\nunsaved\n')
  })
})

const kill = (pid: number): void => {
  try {
    if (pid > 0) process.kill(pid, 'SIGKILL')
  } catch {
    // gone already
  }
}

/** TCP listeners of these processes. */
const listeners = async (
  pids: readonly number[],
): Promise<{ readonly address: string; readonly port: number }[]> => {
  const inodes = new Set<string>()
  for (const pid of pids)
    for (const descriptor of await readdir(`/proc/${pid}/fd`)) {
      const target = await readlink(`/proc/${pid}/fd/${descriptor}`).catch(() => '')
      if (target.startsWith('socket:[')) inodes.add(target.slice(8, -1))
    }
  const tables = await Promise.all(
    ['tcp', 'tcp6'].map((name) => readFile(`/proc/net/${name}`, 'utf8')),
  )
  return tables
    .flatMap((table) => table.split('\n').slice(1))
    .map((line) => line.trim().split(/\s+/))
    .filter((columns) => columns[3] === '0A' && inodes.has(columns[9] ?? ''))
    .map((columns) => {
      const [address = '', port = ''] = (columns[1] ?? '').split(':')
      return { address: readable(address), port: Number.parseInt(port, 16) }
    })
}

/** `0100007F` → `127.0.0.1`; IPv6 is left as it is. */
const readable = (hex: string): string =>
  hex.length === 8
    ? (hex.match(/../g) ?? [])
        .map((byte) => Number.parseInt(byte, 16))
        .reverse()
        .join('.')
    : hex
