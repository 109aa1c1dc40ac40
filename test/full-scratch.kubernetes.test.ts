import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { clusterSite } from './support/cluster-site.ts'
import { makeSizedVolumes, type SizedVolumes } from './support/sized-volumes.ts'
import { startStack, type Stack } from './support/stack.ts'
import { visit, type Visitor } from './support/visitor.ts'

const DISK_MIB = 32

/** /tmp on a volume with a size: a save's own notes stand there. */
describe('a full /tmp', () => {
  let volumes: SizedVolumes
  let stack: Stack
  let visitor: Visitor
  beforeAll(async () => {
    volumes = await makeSizedVolumes()
    const trees = { storageClass: volumes.storageClass, scratchMib: DISK_MIB }
    stack = await startStack({
      site: (name) => clusterSite(name, { workloads: { trees } }),
      env: {
        DORMOUSE_KUBERNETES_TREE_STORAGE_CLASS: volumes.storageClass,
        DORMOUSE_KUBERNETES_SCRATCH_MIB: String(DISK_MIB),
      },
    })
    visitor = await visit(stack)
  })
  afterAll(async () => {
    await stack?.stop()
    await volumes?.end()
  })

  it('keeps the compute up, which says why it cannot be saved, and is saved once there is room', async () => {
    const { client } = visitor
    // Twice two: before and after the night. Each serves one pod, and a second try needs others.
    await volumes.add(4, DISK_MIB)
    const { id } = await client.computes.create({ tier: 'tiny' }, { wait: 60 })
    await visitor.run(id, 'echo kept > kept')
    const fill = 'for b in 64k 4k; do dd if=/dev/zero of=/tmp/fill-$b bs=$b 2>&1; done; true'
    expect(await visitor.run(id, fill)).toContain('No space left on device')

    await client.computes.hibernate(id)
    await expect
      .poll(async () => (await client.computes.get(id)).problem, { timeout: 30_000 })
      .toMatchObject({ code: 'SaveFailed', message: expect.stringContaining('disk') })
    await visitor.until(id, 'running', 30_000)
    expect(await visitor.run(id, 'cat kept')).toBe('kept\n')

    await visitor.run(id, 'rm /tmp/fill-*')
    await visitor.until(id, 'hibernated', 60_000)
    expect((await client.computes.wake(id, { wait: 60 })).state).toBe('running')
    expect(await visitor.run(id, 'cat kept; ls -A /tmp')).toMatch(/^kept\n/)
    await client.computes.remove(id, { wait: 60, purge: true })
  })
})
