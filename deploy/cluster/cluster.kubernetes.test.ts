import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { apply, kubectl } from './kubectl.ts'

const namespace = `cluster-${randomBytes(4).toString('hex')}`
const kube = (...args: readonly string[]): Promise<string> =>
  kubectl(process.env['KUBECONFIG'] ?? '', args)
const here = (...args: readonly string[]): Promise<string> => kube('-n', namespace, ...args)
const inside = (pod: string, command: string): Promise<string> =>
  here('exec', pod, '--', 'sh', '-c', command)

const pod = (name: string, runtimeClassName?: string) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace, labels: { name } },
  spec: {
    automountServiceAccountToken: false,
    terminationGracePeriodSeconds: 0,
    ...(runtimeClassName === undefined ? {} : { runtimeClassName }),
    containers: [
      {
        name: 'main',
        image: 'docker.io/dormouse/base:dev',
        imagePullPolicy: 'IfNotPresent',
        command: ['python3', '-m', 'http.server', '8000', '--directory', '/etc'],
        resources: { requests: { cpu: '10m', memory: '32Mi' }, limits: { memory: '256Mi' } },
      },
    ],
  },
})

describe('the cluster', { timeout: 120_000 }, () => {
  beforeAll(async () => {
    await kube('create', 'namespace', namespace)
    await apply(process.env['KUBECONFIG'] ?? '', [pod('server', 'gvisor'), pod('client', 'gvisor')])
    await here('wait', '--for=condition=Ready', 'pod', '--all', '--timeout=90s')
  }, 120_000)
  afterAll(async () => {
    await kube('delete', 'namespace', namespace, '--wait=false')
  })

  it('has a node that is ready', async () => {
    const ready = '{.items[*].status.conditions[?(@.type=="Ready")].status}'
    const conditions = await kube('get', 'nodes', '-o', `jsonpath=${ready}`)
    expect(conditions.split(' ')).toContain('True')
  })

  it('runs the base image in gVisor, as a user that is not root', async () => {
    expect(await inside('client', 'dmesg | head -1')).toContain('Starting gVisor')
    expect(await inside('client', 'id -u')).toBe('1000\n')
    expect(
      await inside('client', 'node -p 6*7 && python3 -c "print(6*7)" && git --version'),
    ).toMatch(/^42\n42\ngit version/)
  })

  it('resolves the names of the cluster', async () => {
    const address = await inside('client', 'getent hosts kubernetes.default.svc.cluster.local')
    const service = await kube('-n', 'default', 'get', 'service', 'kubernetes', '-o', CLUSTER_IP)
    expect(address.split(/\s+/)[0]).toBe(service)
  })

  it('enforces that nothing goes in or out where a policy denies it, between pods and to the API', async () => {
    const server = await here('get', 'pod', 'server', '-o', 'jsonpath={.status.podIP}')
    const api = await kube('-n', 'default', 'get', 'service', 'kubernetes', '-o', CLUSTER_IP)
    const reaches = (url: string): Promise<boolean> =>
      inside('client', `curl -sko /dev/null --max-time 3 ${url}`).then(
        () => true,
        () => false,
      )
    const doors = [`http://${server}:8000/`, `https://${api}/readyz`]
    for (const door of doors) expect(`${door} ${await reaches(door)}`).toBe(`${door} true`)
    await apply(process.env['KUBECONFIG'] ?? '', [
      {
        apiVersion: 'networking.k8s.io/v1',
        kind: 'NetworkPolicy',
        metadata: { name: 'nothing', namespace },
        spec: { podSelector: {}, policyTypes: ['Ingress', 'Egress'] },
      },
    ])
    for (const door of doors) await soon(async () => !(await reaches(door)), `${door} is shut`)
    await here('delete', 'networkpolicy', 'nothing')
    for (const door of doors) await soon(() => reaches(door), `${door} is open again`)
  })
})

const CLUSTER_IP = 'jsonpath={.spec.clusterIP}'
const ENFORCED_WITHIN_MS = 20_000

const soon = async (holds: () => Promise<boolean>, what: string): Promise<void> => {
  const deadline = Date.now() + ENFORCED_WITHIN_MS
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`not after ${ENFORCED_WITHIN_MS} ms: ${what}`)
    await sleep(200)
  }
}
