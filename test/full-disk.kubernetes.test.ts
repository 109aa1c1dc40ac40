import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { restoredRoom } from '../activities/tree-room.ts'
import { connectCluster } from '../activities/adapters/kubernetes/cluster.ts'
import { TIERS } from '../config/tiers.ts'
import { clusterSite } from './support/cluster-site.ts'
import { openShell } from './support/shell.ts'
import { makeSizedVolumes, type SizedVolumes } from './support/sized-volumes.ts'
import { startStack, type Stack } from './support/stack.ts'
import { visit, type Visitor } from './support/visitor.ts'

const DISK_MIB = 96

/** Trees on volumes with a size: what is full is full for one compute, and an error inside. */
describe('a full disk', () => {
  let volumes: SizedVolumes
  let stack: Stack
  let visitor: Visitor
  beforeAll(async () => {
    volumes = await makeSizedVolumes()
    const trees = { storageClass: volumes.storageClass }
    stack = await startStack({
      site: (name) => clusterSite(name, { workloads: { trees } }),
      env: { DORMOUSE_KUBERNETES_TREE_STORAGE_CLASS: volumes.storageClass },
    })
    visitor = await visit(stack)
  })
  afterAll(async () => {
    await stack?.stop()
    await volumes?.end()
  })

  const claims = async (): Promise<number> => {
    const namespace = stack.env['DORMOUSE_KUBERNETES_NAMESPACE'] ?? ''
    const { core } = connectCluster(process.env['KUBECONFIG'])
    return (await core.listNamespacedPersistentVolumeClaim({ namespace })).items.length
  }
  /** A disk of this suite holds less than it says: here it is as large as the claim asks for. */
  const addAsClaimed = async (): Promise<void> => {
    const { manifest } = await stack.db
      .selectFrom('snapshots')
      .select('manifest')
      .orderBy('created_at', 'desc')
      .executeTakeFirstOrThrow()
    await volumes.add(1, Math.ceil(restoredRoom(TIERS.tiny, manifest) / 2 ** 20))
  }
  const made: string[] = []
  const create = async (name: string): Promise<string> => {
    const { id } = await visitor.client.computes.create({ name, tier: 'tiny' }, { wait: 60 })
    made.push(id)
    return id
  }
  /** Writes until not one more block goes in; what the program that met the end said. */
  const fill = (id: string): Promise<string> =>
    visitor.run(id, 'for b in 64k 4k; do dd if=/dev/urandom of=fill-$b bs=$b 2>&1; done; true')

  const hash = async (id: string): Promise<string> =>
    (await visitor.hashTree(id)) + (await visitor.run(id, 'sha256sum fill-*; ls -A ~ /opt/env'))

  let id: string
  let before: string

  it('is "No space left on device" inside; terminal and commands go on, and nobody else notices', async () => {
    for (const one of made.splice(0))
      await visitor.client.computes.remove(one, { wait: 60, purge: true })
    // Here, not once for all: each serves one pod, and a second try needs others.
    await volumes.add(2, DISK_MIB)
    id = await create('full')
    const other = await create('other')
    await visitor.makeTree(id, { seed: 'a', smallFiles: 300, contiguousMib: 4 })
    expect(await fill(id)).toContain('No space left on device')
    // One volume for all that is kept.
    expect(await visitor.run(id, 'echo x 2>&1 > /opt/env/x || echo refused')).toContain('refused')
    const free = "df --output=avail -k $HOME | tail -1 | tr -d ' '"
    expect(Number(await visitor.run(id, free))).toBeLessThan(64)

    const shell = await openShell(visitor, id)
    await shell.type('echo too much > more || echo still $((40+2))\r')
    await shell.sees(/No space left on device[^]*still 42/)
    shell.detach()
    expect(await visitor.client.computes.get(id)).toMatchObject({ state: 'running', generation: 1 })
    before = await hash(id)

    await visitor.run(other, `head -c ${(DISK_MIB / 2) * 2 ** 20} /dev/zero > $HOME/half`)
    await visitor.client.computes.remove(other, { wait: 60, purge: true })
  })

  it('is saved whole, and comes back: its claim went with its pod, and there is room once a file is gone', async () => {
    const { client } = visitor
    expect((await client.computes.hibernate(id, { wait: 60 })).state).toBe('hibernated')
    await expect.poll(claims, { timeout: 60_000 }).toBe(0)
    await addAsClaimed()
    expect((await client.computes.wake(id, { wait: 60 })).state).toBe('running')
    expect(await hash(id)).toBe(before)
    await visitor.run(id, 'rm fill-* && echo room > again')
    await client.computes.hibernate(id, { wait: 60 })
  })

  it('that a quota has no room for is told as such', async () => {
    const { core } = connectCluster(process.env['KUBECONFIG'])
    const namespace = stack.env['DORMOUSE_KUBERNETES_NAMESPACE'] ?? ''
    const hard = { 'requests.storage': '1Gi' }
    const tight = { namespace, name: 'tight' }
    await core.createNamespacedResourceQuota({
      namespace,
      body: { metadata: { name: 'tight' }, spec: { hard } },
    })
    let refused = ''
    try {
      // Quota is enforced from the moment its status is written.
      const enforced = async () => (await core.readNamespacedResourceQuota(tight)).status?.hard
      await expect.poll(enforced, { timeout: 30_000 }).toEqual(hard)
      refused = (await visitor.client.computes.create({ tier: 'tiny' })).id
      const problem = async () => (await visitor.client.computes.get(refused)).problem
      await expect
        .poll(problem, { timeout: 60_000 })
        .toMatchObject({ code: 'QuotaExceeded', message: expect.stringContaining('tight') })
    } finally {
      await core.deleteNamespacedResourceQuota(tight)
    }
    await visitor.client.computes.remove(refused, { wait: 60, purge: true })
  })

  it('that is too small for what was saved says so, and fails with a way out', async () => {
    const { client } = visitor
    await volumes.add(1, 4)
    await client.computes.wake(id)
    const failed = await visitor.until(id, 'failed', 60_000)
    expect(failed.problem).toMatchObject({
      code: 'FilesystemTooLarge',
      message: expect.stringContaining('too small for its files'),
    })
    await addAsClaimed()
    await client.computes.retry(id)
    await visitor.until(id, 'running', 60_000)
    expect(await visitor.run(id, 'cat again; ls tree | wc -l')).toMatch(/^room\n[1-9]/)
    await client.computes.remove(id, { wait: 60, purge: true })
    await expect.poll(claims, { timeout: 60_000 }).toBe(0)
  })
})
