import { afterAll, beforeAll, describe, expect, it } from 'vitest'
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

const deployments = ['api', 'gateway', 'worker', 'data-worker'] as const
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
    expect(await answer.text()).toContain('dormouse_computes')
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
    await expect.poll(pods, { timeout: 20_000 }).toBe('')

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
    const [resource = '', subresource = ''] = what.split('/')
    const of = ['--namespace', namespace, `--subresource=${subresource}`, as]
    const args = ['auth', 'can-i', verb, resource, ...of]
    return kubectl(args).then(
      () => true,
      () => false,
    )
  }

  it('of a worker may make and remove pods of computes', async () => {
    for (const verb of ['get', 'list', 'watch', 'create', 'delete'])
      expect(await may('worker', verb, 'pods', installed.computes), verb).toBe(true)
  })

  it.each([
    ['worker', 'create', 'pods/exec', 'computes'],
    ['worker', 'patch', 'pods', 'computes'],
    ['worker', 'get', 'secrets', 'computes'],
    ['worker', 'get', 'secrets', 'system'],
    ['worker', 'create', 'pods', 'system'],
    ['worker', 'delete', 'networkpolicies', 'computes'],
    ['data-worker', 'create', 'pods', 'computes'],
    ['api', 'get', 'pods', 'computes'],
    ['gateway', 'get', 'pods', 'computes'],
    ['gateway', 'get', 'secrets', 'system'],
  ] as const)('of %s may not %s %s in the namespace of %s', async (account, verb, what, where) => {
    expect(await may(account, verb, what, installed[where])).toBe(false)
  })
})
