import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { chromium } from 'playwright-core'
import { AppsV1Api, NetworkingV1Api, NodeV1Api } from '@kubernetes/client-node'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connectCluster } from '../activities/adapters/kubernetes/cluster.ts'
import { apply } from '../deploy/cluster/kubectl.ts'
import { imageOf, imagesOf } from '../deploy/chart/testing/installation.ts'
import { clusterSite } from './support/cluster-site.ts'
import { startStack, type Stack } from './support/stack.ts'
import { visit, type Visitor } from './support/visitor.ts'
import { kubectl } from './support/workloads.ts'

const CHROMIUM = process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium'
const EVERY_MS = 1_000
/** A look, and the API's own answers on a busy machine. */
const WITHIN = { timeout: 30_000, interval: 200 }

/** Each wall in turn is taken away and put up again; everything is this suite's own. */
describe('/readyz', () => {
  let stack: Stack
  let visitor: Visitor
  let runtimeClass: string
  let namespace: string
  const { core, config } = connectCluster(process.env['KUBECONFIG'])
  const networking = config.makeApiClient(NetworkingV1Api)
  const apps = config.makeApiClient(AppsV1Api)
  const nodes = config.makeApiClient(NodeV1Api)

  beforeAll(async () => {
    stack = await startStack({
      site: async (name) => {
        runtimeClass = `gvisor-${name}`
        const site = await clusterSite(name, {
          ...imagesOf({
            ...{ platform: imageOf('platform'), base: imageOf('base') },
            sidekick: imageOf('sidekick'),
          }),
          nodeWall: { enabled: true },
          workloads: {
            namespace: `suite-${name}`,
            installation: `suite-${name}`,
            runtimeClass: { name: runtimeClass, create: true },
          },
        })
        return {
          ...site,
          env: {
            ...site.env,
            DORMOUSE_KUBERNETES_RUNTIME_CLASS: runtimeClass,
            DORMOUSE_KUBERNETES_NODE_WALL: 'walls-dormouse-node-wall',
          },
          async end() {
            await site.end()
            await nodes.deleteRuntimeClass({ name: runtimeClass }).catch(() => undefined)
          },
        }
      },
      env: { DORMOUSE_WALLS_EVERY_MS: String(EVERY_MS), DORMOUSE_SWEEP_EVERY_MS: '3000' },
    })
    visitor = await visit(stack)
    namespace = stack.env['DORMOUSE_KUBERNETES_NAMESPACE'] ?? ''
  })
  afterAll(() => stack?.stop())

  const ask = async (query = '') => {
    const answer = await fetch(`${stack.apiUrl}/readyz${query}`)
    const { status, walls } = (await answer.json()) as {
      status: string
      walls: readonly { part: string; holds: boolean; reason?: string }[]
    }
    return { code: answer.status, status, fallen: walls.filter(({ holds }) => !holds) }
  }
  const fallen = async () => (await ask()).fallen
  const parts = async () => (await fallen()).map(({ part }) => part)
  const isRed = async (part: string, because: string) => {
    await expect.poll(parts, WITHIN).toEqual([part])
    const said = await ask()
    expect(said).toMatchObject({ code: 503, status: 'unready' })
    expect(said.fallen[0]?.reason).toContain(because)
    // Who only wants files still comes in.
    expect(await ask('?for=traffic')).toMatchObject({ code: 200 })
  }
  const isGreen = async () => {
    await expect.poll(parts, WITHIN).toEqual([])
    expect(await ask()).toMatchObject({ code: 200, status: 'ready' })
  }

  it('is green where every wall stands, and knows each of them', async () => {
    await expect.poll(fallen, { timeout: 60_000, interval: 500 }).toEqual([])
    const answer = await fetch(`${stack.apiUrl}/readyz`)
    const { walls } = (await answer.json()) as { walls: readonly { part: string }[] }
    expect(walls.map(({ part }) => part)).toEqual([
      'admission-policy',
      'network-policy',
      'node-wall',
      'pod-security',
      'runtime-class',
    ])
  })

  it('names a runtime class that is gone', async () => {
    const found = await nodes.readRuntimeClass({ name: runtimeClass })
    await nodes.deleteRuntimeClass({ name: runtimeClass })
    try {
      await isRed('runtime-class', runtimeClass)
    } finally {
      const { name, labels } = { name: runtimeClass, ...found.metadata }
      const body = { metadata: { name, ...(labels && { labels }) }, handler: found.handler }
      await nodes.createRuntimeClass({ body })
    }
    await isGreen()
  })

  it('names a namespace that lost its Pod Security', async () => {
    const label = 'pod-security.kubernetes.io/enforce'
    await kubectl(['label', 'namespace', namespace, `${label}=baseline`, '--overwrite'])
    try {
      await isRed('pod-security', label)
    } finally {
      await kubectl(['label', 'namespace', namespace, `${label}=restricted`, '--overwrite'])
    }
    await isGreen()
  })

  it('names an admission policy that is gone', async () => {
    const name = stack.env['DORMOUSE_KUBERNETES_ADMISSION_POLICY'] ?? ''
    const binding = `validatingadmissionpolicybinding/${name}`
    const saved = await kubectl(['get', binding, '-o', 'json'])
    await kubectl(['delete', binding])
    try {
      await isRed('admission-policy', name)
    } finally {
      const { metadata, spec, ...kind } = JSON.parse(saved) as Record<string, { labels?: object }>
      const again = { ...kind, metadata: { name, labels: metadata?.labels }, spec }
      await apply(process.env['KUBECONFIG'] ?? '', [again])
    }
    await isGreen()
  })

  it('names a node wall that is not up', async () => {
    const place = { name: 'walls-dormouse-node-wall', namespace: `${namespace}-system` }
    const { spec } = await apps.readNamespacedDaemonSet(place)
    const selector = (nodeSelector: Record<string, string>) =>
      kubectl([
        ...['patch', 'daemonset', place.name, '-n', place.namespace, '--type=merge', '-p'],
        JSON.stringify({ spec: { template: { spec: { nodeSelector } } } }),
      ])
    expect(spec?.template.spec?.nodeSelector).toBeUndefined()
    await selector({ nowhere: 'yes' })
    try {
      await isRed('node-wall', place.name)
    } finally {
      await selector({ nowhere: null as unknown as string })
    }
    await expect.poll(parts, { timeout: 60_000, interval: 300 }).toEqual([])
  })

  it('names network policies that are gone, and what a compute then reaches; the page says so; green again when mended', async () => {
    const names = ['networkpolicies', '-n', namespace]
    const saved = JSON.parse(await kubectl(['get', ...names, '-o', 'json'])) as {
      items: readonly { metadata: object; spec: object }[]
    }
    await networking.deleteCollectionNamespacedNetworkPolicy({ namespace })
    await isRed('network-policy', namespace)
    const { id } = await visitor.client.computes.create({ tier: 'tiny' })
    // Told between two tries.
    const told = async () => (await visitor.client.computes.get(id)).problem?.message ?? ''
    await expect.poll(told, { timeout: 60_000, interval: 100 }).toContain('not hold')
    await expect.poll(parts, WITHIN).toEqual(['network-enforced', 'network-policy'])

    const browser = await chromium.launch({
      executablePath: CHROMIUM,
      args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'],
    })
    try {
      const page = await browser.newPage({ viewport: { width: 1200, height: 700 } })
      await page.goto(stack.apiUrl)
      await page.getByLabel('Email').fill(stack.email)
      await page.getByLabel('Password').fill(stack.password)
      await page.getByRole('button', { name: 'Log in', exact: true }).click()
      const banner = page.getByRole('alert', { name: 'Isolation' })
      await banner.waitFor()
      expect(await banner.innerText()).toContain('network-policy')
      expect(await banner.innerText()).toContain('network-enforced')
      const shots = process.env['DORMOUSE_SCREENSHOTS']
      if (shots !== undefined) {
        await mkdir(shots, { recursive: true })
        await page.screenshot({ path: path.join(shots, 'walls.png') })
      }
      for (const { metadata, spec } of saved.items) {
        const { name, labels } = metadata as { name: string; labels: Record<string, string> }
        await networking.createNamespacedNetworkPolicy({
          ...{ namespace, body: { metadata: { name, labels }, spec } as object },
        })
      }
      // The platform's own try clears what a compute met, whether or not anybody starts one.
      await expect.poll(parts, { timeout: 60_000, interval: 300 }).toEqual([])
      await banner.waitFor({ state: 'detached', timeout: 40_000 })
    } finally {
      await browser.close()
    }
    await visitor.until(id, 'running', 90_000)
    await visitor.client.computes.remove(id, { purge: true, wait: 60 })
    const pods = async () => (await core.listNamespacedPod({ namespace })).items.length
    await expect.poll(pods, { timeout: 60_000 }).toBe(0)
  })

  it('says so when nobody looks any more', async () => {
    await stack.kill('observer')
    const longAgo = new Date(Date.now() - 120_000)
    await stack.db.updateTable('walls').set({ checked_at: longAgo }).execute()
    await isRed('observer', 'nobody has looked')
    await stack.start('observer')
    await expect.poll(parts, { timeout: 60_000, interval: 300 }).toEqual([])
  })
})
