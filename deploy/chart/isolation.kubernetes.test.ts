import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newId } from '../../records/ids.ts'
import { installWorkloads, kubectl, type Workloads } from '../../test/support/workloads.ts'
import { openOutside, type Outside } from './testing/outside.ts'
import { computeOf, listener, reached, startPod } from './testing/pods.ts'

const INTERNET = '203.0.113.10'
const ELSEWHERE = '203.0.113.20'
const NEVER = ['169.254.169.254', '10.255.255.10', '172.31.255.10', '192.168.255.10', '100.64.0.10']

const id = newId().slice(0, 8)
const namespace = `walls-${id}`
const system = `${namespace}-system`
const own = { app: { 'app.kubernetes.io/name': 'dormouse', 'app.kubernetes.io/instance': 'walls' } }
const place = (where: string, name: string) => ({ namespace: where, name })
const component = (name: string) => ({ ...own.app, 'app.kubernetes.io/component': name })

let walls: Workloads
let outside: Outside
let addresses: Readonly<
  Record<'shared' | 'none' | 'stranger' | 'apiService' | 'api' | 'dns', string>
>

beforeAll(async () => {
  outside = await openOutside([INTERNET, ELSEWHERE, ...NEVER])
  walls = await installWorkloads(namespace, {
    values: {
      workloads: {
        namespace,
        installation: namespace,
        egress: { shared: 'internet', deniedCidrs: [`${ELSEWHERE}/32`] },
      },
    },
  })
  const [shared, none, stranger] = await Promise.all([
    startPod(listener(place(namespace, 'shared'), computeOf(namespace, 'shared'))),
    startPod(listener(place(namespace, 'none'), computeOf(namespace, 'none'))),
    startPod(listener(place(system, 'stranger'))),
    startPod(listener(place(system, 'gateway'), { labels: component('gateway') })),
    startPod(listener(place(system, 'api'), { labels: component('api') })),
  ])
  const get = (...args: readonly string[]) => kubectl(['get', ...args])
  const ipOf = async (where: string, service: string) =>
    get('service', '-n', where, service, '-o', 'jsonpath={.spec.clusterIP}')
  const endpoint = await get(
    ...['endpointslice', '-n', 'default', '-l', 'kubernetes.io/service-name=kubernetes'],
    ...['-o', 'jsonpath={.items[0].endpoints[0].addresses[0]}:{.items[0].ports[0].port}'],
  )
  addresses = {
    shared,
    none,
    stranger,
    api: endpoint,
    apiService: `${await ipOf('default', 'kubernetes')}:443`,
    dns: `${(await get(...['service', '-A', '-l', 'k8s-app=kube-dns', '-o', 'jsonpath={.items[0].spec.clusterIP}'])) || (await ipOf('kube-system', 'dns'))}:53`,
  }
})

afterAll(async () => {
  await walls?.end()
  await outside?.end()
})

/** Everything that no compute may reach. */
const forbidden = () => [
  addresses.api,
  addresses.apiService,
  addresses.dns,
  `${addresses.stranger}:8000`,
  ...NEVER.map((address) => `${address}:${outside.port}`),
  `${ELSEWHERE}:${outside.port}`,
]
const internet = () => `${INTERNET}:${outside.port}`

describe('what a compute reaches', () => {
  it('all of it is there, for a pod without walls', async () => {
    const all = [internet(), ...forbidden()]
    expect(await reached(place(system, 'stranger'), all)).toEqual(all)
  })

  it('the internet, and no API server, metadata, private network, other pod or cluster DNS', async () => {
    const tried = [internet(), ...forbidden(), `${addresses.none}:7070`, `${addresses.none}:8000`]
    expect(await reached(place(namespace, 'shared'), tried)).toEqual([internet()])
  })

  it('the same addresses written as IPv6', async () => {
    const mapped = forbidden().map((address) => `::ffff:${address}`)
    expect(await reached(place(namespace, 'shared'), mapped)).toEqual([])
  })

  it('nothing at all without a network', async () => {
    const tried = [internet(), ...forbidden(), `${addresses.shared}:7070`]
    expect(await reached(place(namespace, 'none'), tried)).toEqual([])
  })

  it('only the allowed networks with an allow-list', async () => {
    const name = `${namespace}-listed`
    const listed = await installWorkloads(name, {
      values: {
        workloads: {
          namespace: name,
          installation: name,
          egress: { shared: 'allow-list', allowList: [`${ELSEWHERE}/32`] },
        },
      },
    })
    try {
      await startPod(listener(place(name, 'shared'), computeOf(name, 'shared')))
      const allowed = `${ELSEWHERE}:${outside.port}`
      const tried = [allowed, internet(), addresses.api, `${NEVER[0]}:${outside.port}`]
      // A pod starts sooner than a network plugin hears of it.
      await expect
        .poll(() => reached(place(name, 'shared'), tried), { timeout: 30_000 })
        .toEqual([allowed])
    } finally {
      await listed.end()
    }
  })
})

describe('who reaches a compute', () => {
  const doors = () => ['shared', 'none'].map((pod) => `${addresses[pod as 'shared']}:7070`)

  it('the gateway reaches the sidekick and no other port', async () => {
    const tried = [...doors(), `${addresses.shared}:8000`]
    expect(await reached(place(system, 'gateway'), tried)).toEqual(doors())
  })

  it('the API and pods that are not of the platform do not', async () => {
    expect(await reached(place(system, 'api'), doors())).toEqual([])
    expect(await reached(place(system, 'stranger'), doors())).toEqual([])
  })
})
