import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { anySpec, runtimeContract } from '../../contracts/runtime.contract.ts'
import { podName } from './labels.ts'
import { createKubernetesRuntime } from './runtime.ts'
import { openSuiteNamespace, type SuiteNamespace } from './testing/suite-namespace.ts'

const image = { name: 'base', digest: 'base' }

runtimeContract('kubernetes', async () => {
  const suite = await openSuiteNamespace()
  const runtime = createKubernetesRuntime(suite.config)
  const running = async (computeId: string) => {
    const found = (await runtime.list()).find((one) => one.computeId === computeId && one.running)
    if (found === undefined) throw new Error(`no pod of ${computeId} runs`)
    return found
  }
  return {
    runtime,
    image,
    keepsTrees: false,
    startsWithinMs: 4_000,
    anotherProcess: () => createKubernetesRuntime(suite.config),
    async kill(computeId, generation) {
      const ref = { computeId, generation }
      // What kills goes with what it killed.
      await suite
        .exec(ref, ['/bin/sh', '-c', 'kill -9 $(pgrep -f sidekick.mjs)'])
        .catch(() => undefined)
      while ((await runtime.inspect(ref)) === 'live') await sleep(50)
    },
    async writeHome(computeId, name, text) {
      const file = `/home/user/${name}`
      await suite.exec(await running(computeId), ['/bin/sh', '-c', `printf '${text}' > ${file}`])
    },
    async readHome(computeId, name) {
      const command = `cat /home/user/${name} 2>/dev/null || true`
      const text = await suite.exec(await running(computeId), ['/bin/sh', '-c', command])
      return text === '' ? undefined : text
    },
    end: () => suite.end(),
  }
})

describe('the kubernetes runtime', () => {
  let suite: SuiteNamespace
  beforeAll(async () => {
    suite = await openSuiteNamespace()
  })
  afterAll(() => suite.end())
  const newSpec = () => ({ ...anySpec(), image })
  const runtime = () => createKubernetesRuntime(suite.config)

  it('names an image that cannot be pulled, within ten seconds', async () => {
    const startedAt = performance.now()
    const spec = { ...newSpec(), image: { name: 'docker.io/dormouse/no-such:1', digest: '' } }
    await expect(runtime().ensure(spec)).rejects.toMatchObject({
      name: 'ImagePullFailed',
      message: expect.stringContaining('no-such'),
    })
    expect(performance.now() - startedAt).toBeLessThan(10_000)
  })

  it('names that no node has room, within ten seconds, and comes up once there is', async () => {
    const startedAt = performance.now()
    const huge = { cpuMillis: 900_000, memoryBytes: 2 ** 45 }
    const spec = { ...newSpec(), ...huge, requests: huge }
    const greedy = createKubernetesRuntime({ ...suite.config, requestPercent: 100 })
    await expect(greedy.ensure(spec)).rejects.toMatchObject({ name: 'NoNodeFits' })
    expect(performance.now() - startedAt).toBeLessThan(10_000)
    await greedy.stop(spec, { keepTree: false })
    expect(await runtime().list()).toEqual([])
  })

  it('names a quota that is used up at once, and comes up after it was raised', async () => {
    const { core } = suite.cluster
    const { namespace } = suite.config
    const body = { metadata: { name: 'tight' }, spec: { hard: { pods: '0' } } }
    await core.createNamespacedResourceQuota({ namespace, body })
    const spec = newSpec()
    try {
      // Quota is enforced from the moment its status is written.
      for (;;) {
        const quota = await core.readNamespacedResourceQuota({ namespace, name: 'tight' })
        if (quota.status?.hard?.['pods'] === '0') break
        await sleep(50)
      }
      await expect(runtime().ensure(spec)).rejects.toMatchObject({
        name: 'QuotaExceeded',
        message: expect.stringContaining('pods'),
      })
    } finally {
      await core.deleteNamespacedResourceQuota({ namespace, name: 'tight' })
    }
    await expect(runtime().ensure(spec)).resolves.toMatchObject({ tree: 'fresh' })
    await runtime().stop(spec, { keepTree: false })
  })

  it('puts a group with a namespace of its own there, and finds it wherever it is', async () => {
    const other = await openSuiteNamespace()
    const spec = newSpec()
    const { namespace } = other.config
    const config = { ...suite.config, groupNamespaces: { [spec.groupId]: namespace } }
    try {
      await createKubernetesRuntime(config).ensure(spec)
      expect(await runtime().list()).toEqual([])
      // Its group has moved since: the pod is found where it is, and no second one is made.
      const moved = { ...suite.config, groupNamespaces: { elsewhere: namespace } }
      const later = createKubernetesRuntime(moved)
      await later.ensure(spec)
      expect(await later.list()).toHaveLength(1)
      expect(await later.inspect(spec)).toBe('live')
      await later.stop(spec, { keepTree: false })
      expect(await later.inspect(spec)).toBe('gone')
    } finally {
      await other.end()
    }
  })

  it('does not take a pod of somebody else for its own', async () => {
    const { core } = suite.cluster
    const { namespace } = suite.config
    const spec = newSpec()
    const container = {
      name: 'c',
      image: suite.config.baseImage,
      imagePullPolicy: 'Never',
      command: ['sleep', '60'],
      securityContext: {
        runAsNonRoot: true,
        runAsUser: 1000,
        allowPrivilegeEscalation: false,
        capabilities: { drop: ['ALL'] },
        seccompProfile: { type: 'RuntimeDefault' },
      },
    }
    const body = { metadata: { name: podName(spec) }, spec: { containers: [container] } }
    await core.createNamespacedPod({ namespace, body })
    await expect(runtime().ensure(spec)).rejects.toMatchObject({ name: 'ProvisionFailed' })
    expect(await core.readNamespacedPod({ namespace, name: podName(spec) })).toBeDefined()
  })

  it('says that an API which does not answer is no absence', async () => {
    const broken = createKubernetesRuntime(suite.config, {
      ...suite.cluster,
      core: new Proxy(suite.cluster.core, {
        get: () => () => Promise.reject(new Error('connect ECONNREFUSED')),
      }),
    })
    const ref = { computeId: newSpec().computeId, generation: 1 }
    for (const ask of [broken.inspect(ref), broken.list(), broken.stop(ref, { keepTree: false })])
      await expect(ask).rejects.toMatchObject({ name: 'Unavailable' })
    expect(await broken.unavailable()).toMatch(/does not answer/)
  })
})
