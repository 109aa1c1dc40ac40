import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openShell, watchAway } from '../../test/support/shell.ts'
import { visit, type Visitor } from '../../test/support/visitor.ts'
import { helm, kubectl } from '../../test/support/workloads.ts'
import { installAll, RELEASE, type Installation } from './testing/installation.ts'

let installed: Installation
let visitor: Visitor

beforeAll(async () => {
  installed = await installAll('external')
  visitor = await visit(installed)
})
afterAll(() => installed?.end())

const deployments = ['api', 'gateway', 'worker', 'data-worker', 'observer'] as const
const read = async (what: readonly string[]) =>
  JSON.parse(await kubectl(['get', '-n', installed.system, ...what, '-o', 'json'])) as {
    items: readonly { metadata: { name: string }; status: { readyReplicas?: number } }[]
    data: Record<string, string>
  }
const strictlyReady = async () => {
  const answer = await fetch(`${installed.apiUrl}/readyz?strict=1`)
  return { status: answer.status, said: await answer.json() }
}

describe('the chart, installed', () => {
  it('has two of every service, under Pod Security restricted', async () => {
    const { items } = await read(['deployments'])
    expect(items.map(({ metadata }) => metadata.name).toSorted()).toEqual(
      deployments.map((name) => `dormouse-${name}`).toSorted(),
    )
    for (const { status } of items) expect(status.readyReplicas).toBe(2)
  })

  it('is ready in every part', async () => {
    expect(await strictlyReady()).toMatchObject({ status: 200, said: { status: 'ready' } })
  })

  it('gives its metrics to who has the token, and to nobody else', async () => {
    const { data } = await read(['secret', 'dormouse-keys'])
    const token = Buffer.from(data['DORMOUSE_METRICS_TOKEN'] ?? '', 'base64').toString()
    const scrape = (authorization: string) =>
      fetch(`${installed.apiUrl}/metrics`, { headers: { authorization } })
    const answer = await scrape(`Bearer ${token}`)
    const said = await answer.text()
    expect(said).toContain('dormouse_computes')
    expect(said).toContain('dormouse_wall_holds{part="admission-policy"} 1')
    expect((await scrape('Bearer other')).status).toBe(403)
  })

  it('runs a compute behind its walls, which keeps its files over a sleep and an upgrade', async () => {
    const { id } = await visitor.client.computes.create({ tier: 'tiny' })
    await visitor.until(id, 'running', 60_000)
    await visitor.run(id, 'echo kept > ~/file')
    const pods = () => kubectl(['get', 'pods', '-n', installed.computes, '-o', 'name'])
    expect(await pods()).toContain(`compute-${id}-1`)
    const network = await visitor.run(
      id,
      'for a in $KUBERNETES_SERVICE_HOST 169.254.169.254 10.96.0.1; do timeout 2 bash -c "echo > /dev/tcp/$a/443" 2>&1 && echo reached; done; true',
    )
    expect(network).not.toContain('reached')
    await visitor.client.computes.hibernate(id)
    await visitor.until(id, 'hibernated', 60_000)
    await expect.poll(pods, { timeout: 60_000 }).toBe('')

    const keys = await read(['secret', 'dormouse-keys'])
    await installed.upgrade({ firstLogin: { email: 'other@dormouse.test' } })
    expect((await read(['secret', 'dormouse-keys'])).data).toEqual(keys.data)
    expect(await strictlyReady()).toMatchObject({ status: 200 })

    await visitor.client.computes.wake(id)
    await visitor.until(id, 'running', 60_000)
    expect(await visitor.run(id, 'cat ~/file')).toBe('kept\n')
    await visitor.client.computes.remove(id)
    await visitor.until(id, 'terminated', 90_000)
  })

  it('is replaced whole under a terminal, which is back within 2 s and misses no line, and under computes', async () => {
    const { client, insist } = visitor
    const create = () => insist(() => client.computes.create({ tier: 'tiny' }, { wait: 60 }))
    const [open, asleep] = await Promise.all([create(), create()])
    await visitor.run(asleep.id, 'echo kept > ~/file')
    await client.computes.hibernate(asleep.id, { wait: 60 })
    const shell = await openShell(visitor, open.id)
    await shell.type('for n in $(seq 100000); do echo line-$n.; sleep 0.05; done\r')
    await shell.sees(/line-10\./)
    const away = watchAway(shell)
    await kubectl(['rollout', 'restart', 'deployment', '-n', installed.system])
    // An API that is closing answers 503: asked again, with the same key, there is one compute.
    const begun = insist(() => client.computes.create({ tier: 'tiny' }, { key: `key-${open.id}` }))
    for (const name of deployments)
      await kubectl(['rollout', 'status', `deployment/dormouse-${name}`, '-n', installed.system])
    // The last of the old gateways may still be closing.
    await expect
      .poll(away.times, { message: 'a gateway is replaced under the terminal', timeout: 60_000 })
      .toBeGreaterThan(0)
    const seen = shell.text().length
    await expect.poll(() => shell.text().length, { timeout: 10_000 }).toBeGreaterThan(seen)
    const { times, longestMs } = away.stop()
    console.log('terminal away', { times, longestMs })
    expect(longestMs).toBeLessThan(2_000)
    await shell.type('\x03')
    shell.detach()
    const lines = [...shell.text().matchAll(/line-(\d+)\./g)].map(([, n]) => Number(n))
    expect(lines).toEqual(lines.map((_, index) => index + 1))
    const { id } = await begun
    await visitor.until(id, 'running', 60_000)
    await insist(() => client.computes.wake(asleep.id, { wait: 60 }))
    expect(await visitor.run(asleep.id, 'cat ~/file')).toBe('kept\n')
    const after = await insist(() => client.computes.get(open.id))
    expect(after).toMatchObject({ state: 'running', generation: 1 })
    for (const one of [id, open.id, asleep.id])
      await insist(() => client.computes.remove(one, { wait: 60 }))
  })

  it('has another observer when the one that watches ends, which tells of a pod that went meanwhile', async () => {
    const lease = `lease/${installed.installation}-observer`
    const path = 'jsonpath={.spec.holderIdentity}'
    const holder = () => kubectl(['get', lease, '-n', installed.system, '-o', path])
    const { id } = await visitor.client.computes.create({ tier: 'tiny' }, { wait: 60 })
    await visitor.run(id, 'echo saved > ~/file')
    await visitor.client.computes.checkpoint(id, { wait: 60 })
    // As the observer names itself: its pod, and a number of its own.
    const podOf = (one: string) => one.replace(/-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, '')
    const pods = () => kubectl(['get', 'pods', '-n', installed.system, '-o', 'name'])
    // After a roll-out the Lease names nobody, or one that is gone, until another took it.
    await expect
      .poll(async () => (await pods()).split('\n').includes(`pod/${podOf(await holder())}`), {
        timeout: 60_000,
      })
      .toBe(true)
    const first = await holder()
    const observer = podOf(first)
    const killed = performance.now()
    const now = ['--grace-period=0', '--force']
    await kubectl(['delete', 'pod', observer, '-n', installed.system, ...now])
    await kubectl(['delete', 'pod', `compute-${id}-1`, '-n', installed.computes, ...now])
    await expect.poll(holder, { timeout: 30_000, interval: 200 }).not.toBe(first)
    const tookOverMs = Math.round(performance.now() - killed)
    await expect
      .poll(async () => (await visitor.client.computes.get(id)).generation, { timeout: 60_000 })
      .toBe(2)
    expect((await visitor.until(id, 'running', 60_000)).reason).toBe('lost')
    const toldMs = Math.round(performance.now() - killed)
    console.log('observer killed', { tookOverMs, toldMs })
    expect(await visitor.run(id, 'cat ~/file')).toBe('saved\n')
    await visitor.client.computes.remove(id, { wait: 60 })
  })

  it('is removed without its computes, which are as they were when it is installed again', async () => {
    const { id } = await visitor.client.computes.create({ tier: 'tiny' })
    await visitor.until(id, 'running', 60_000)
    await visitor.run(id, 'echo kept > ~/file; (sleep 1000 &)')
    await helm(['uninstall', RELEASE, '--namespace', installed.system, '--wait'])
    const what = 'networkpolicy,poddisruptionbudget,pod'
    const left = await kubectl(['get', what, '-n', installed.computes, '-o', 'name'])
    for (const part of [`pod/compute-${id}-1`, 'default-deny', 'in-from-platform'])
      expect(left).toContain(part)
    await installed.upgrade()
    expect(await visitor.run(id, 'cat ~/file; pgrep -c sleep')).toBe('kept\n1\n')
    expect(await visitor.client.computes.get(id)).toMatchObject({ generation: 1 })
    await visitor.client.computes.remove(id)
    await visitor.until(id, 'terminated', 90_000)
  })
})

describe('an account of the platform', () => {
  const may = async (account: string, verb: string, what: string, namespace: string) => {
    const as = `--as=system:serviceaccount:${installed.system}:dormouse-${account}`
    const [resource = '', part = ''] = what.split('/')
    // A subresource of pods, or the name of one.
    const which = resource === 'pods' ? [resource, `--subresource=${part}`] : [what]
    const args = ['auth', 'can-i', verb, ...which, '--namespace', namespace, as]
    return kubectl(args).then(
      () => true,
      () => false,
    )
  }

  it('of a worker may make and remove pods of computes', async () => {
    for (const verb of ['get', 'list', 'watch', 'create', 'delete'])
      expect(await may('worker', verb, 'pods', installed.computes), verb).toBe(true)
  })

  it('of a worker may ask what the nodes can mount', async () => {
    expect(await may('worker', 'list', 'nodes', installed.system)).toBe(true)
  })

  it('of a data worker may end the pod whose files it has saved', async () => {
    for (const verb of ['get', 'watch', 'delete'])
      expect(await may('data-worker', verb, 'pods', installed.computes), verb).toBe(true)
  })

  it('of an observer may see pods and nodes, and hold the one Lease', async () => {
    for (const verb of ['list', 'watch'])
      for (const what of ['pods', 'nodes'])
        expect(await may('observer', verb, what, installed.computes), `${verb} ${what}`).toBe(true)
    const lease = `leases/${installed.installation}-observer`
    expect(await may('observer', 'update', lease, installed.system)).toBe(true)
  })

  it.each([
    ['worker', 'create', 'pods/exec', 'computes'],
    ['worker', 'patch', 'pods', 'computes'],
    ['worker', 'get', 'secrets', 'computes'],
    ['worker', 'get', 'secrets', 'system'],
    ['worker', 'create', 'pods', 'system'],
    ['worker', 'delete', 'networkpolicies', 'computes'],
    ['worker', 'update', 'leases', 'system'],
    ['data-worker', 'create', 'pods', 'computes'],
    ['data-worker', 'list', 'pods', 'computes'],
    ['data-worker', 'delete', 'pods', 'system'],
    ['observer', 'delete', 'pods', 'computes'],
    ['observer', 'create', 'pods', 'computes'],
    ['observer', 'get', 'secrets', 'system'],
    ['observer', 'update', 'leases', 'system'],
    ['api', 'get', 'pods', 'computes'],
    ['gateway', 'get', 'pods', 'computes'],
    ['gateway', 'get', 'secrets', 'system'],
  ] as const)('of %s may not %s %s in the namespace of %s', async (account, verb, what, where) => {
    expect(await may(account, verb, what, installed[where])).toBe(false)
  })
})
