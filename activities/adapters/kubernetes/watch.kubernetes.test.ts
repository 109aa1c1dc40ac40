import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Leading, SandboxSeen, SandboxSpec } from '../../ports.ts'
import { kubectl } from '../../../deploy/cluster/kubectl.ts'
import { anySpec } from '../../contracts/runtime.contract.ts'
import { podName } from './labels.ts'
import { createKubernetesRuntime } from './runtime.ts'
import { openSuiteNamespace, type SuiteNamespace } from './testing/suite-namespace.ts'

const newSpec = (): SandboxSpec => ({ ...anySpec(), image: { name: 'base', digest: 'base' } })

describe('watching pods of a real cluster', () => {
  let suite: SuiteNamespace
  let told: SandboxSeen[]
  let watch: Leading
  beforeAll(async () => {
    suite = await openSuiteNamespace()
  })
  afterAll(() => suite.end())
  beforeEach(async () => {
    told = []
    watch = startWatch(told)
    await leads(watch)
  })
  afterEach(() => watch.stop())

  const runtime = () => createKubernetesRuntime(suite.config)
  const startWatch = (into: SandboxSeen[]) => {
    const { lead, watch: watchPods } = runtime()
    const started = lead?.((signal) => watchPods?.((seen) => into.push(seen), signal))
    if (started === undefined) throw new Error('the runtime does not watch')
    return started
  }
  /** The lease of who watched before may have to run out first. */
  const leads = (one: Leading) =>
    vi.waitFor(() => expect(one.standing()).toBe('leading'), { timeout: 30_000 })
  const started = async (): Promise<SandboxSpec> => {
    const spec = newSpec()
    await runtime().ensure(spec)
    return spec
  }
  const tells = (spec: SandboxSpec, what: string, why: string, withinMs: number) =>
    vi.waitFor(
      () =>
        expect(told).toContainEqual({
          ...{ computeId: spec.computeId, generation: spec.generation },
          ...{ what, why },
        }),
      { timeout: withinMs, interval: 20 },
    )
  const deletePod = (spec: SandboxSpec, gracePeriodSeconds: number) =>
    suite.cluster.core.deleteNamespacedPod({
      ...{ namespace: suite.config.namespace, name: podName(spec) },
      body: { gracePeriodSeconds },
    })

  it('tells of a crash within three seconds', async () => {
    const spec = await started()
    await suite
      .exec(spec, ['/bin/sh', '-c', 'kill -9 $(pgrep -f sidekick.mjs)'])
      .catch(() => undefined)
    await tells(spec, 'gone', 'lost', 3_000)
    await runtime().stop(spec, { keepTree: false })
  })

  it('tells of a pod that somebody deletes while it can still be saved, and of one that vanishes', async () => {
    const [leaving, vanishing] = [await started(), await started()]
    await deletePod(leaving, 30)
    await tells(leaving, 'draining', 'drain', 5_000)
    await deletePod(vanishing, 0)
    await tells(vanishing, 'gone', 'lost', 5_000)
  })

  it('tells of every pod of a node that is cordoned', async () => {
    const spec = await started()
    const { core } = suite.cluster
    const pod = await core.readNamespacedPod({
      ...{ namespace: suite.config.namespace, name: podName(spec) },
    })
    const name = pod.spec?.nodeName ?? ''
    const cordon = (verb: 'cordon' | 'uncordon') =>
      kubectl(process.env['KUBECONFIG'] ?? '', [verb, name])
    await cordon('cordon')
    try {
      await tells(spec, 'draining', 'drain', 5_000)
    } finally {
      await cordon('uncordon')
    }
    await runtime().stop(spec, { keepTree: false })
  })

  it('of two that watch one tells; when it stops the other goes on', async () => {
    const others: SandboxSeen[] = []
    const second = startWatch(others)
    try {
      const [first, next] = [await started(), await started()]
      await deletePod(first, 0)
      await tells(first, 'gone', 'lost', 5_000)
      expect(others).toEqual([])
      await watch.stop()
      await leads(second)
      // It tells of what it has seen: a moment for its first look.
      await sleep(2_000)
      await deletePod(next, 0)
      await vi.waitFor(
        () => expect(others.map(({ computeId }) => computeId)).toContain(next.computeId),
        { timeout: 5_000 },
      )
      expect(told.map(({ computeId }) => computeId)).not.toContain(next.computeId)
    } finally {
      await second.stop()
    }
  })
})
