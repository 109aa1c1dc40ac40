/** create → terminal → hibernate → wake → commit, fork → delete, on whatever the stack runs computes on. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { randomBytes } from 'node:crypto'
import type { Stack } from '../support/stack.ts'
import { openShell } from '../support/shell.ts'
import { visit, type Visitor } from '../support/visitor.ts'
import { everythingTemporalKnows } from '../support/temporal-histories.ts'

export const mainJob = (start: () => Promise<Stack>): void => {
  let stack: Stack
  let visitor: Visitor
  let id = ''
  let before: string
  const canary = `canary-${randomBytes(16).toString('hex')}`

  beforeAll(async () => {
    stack = await start()
    visitor = await visit(stack)
  })
  afterAll(() => stack?.stop())

  it('creates a compute and runs a command in it', async () => {
    // Of a first try: in the end nothing may be left.
    if (id !== '') await visitor.client.computes.remove(id, { wait: 60, purge: true })
    const compute = await visitor.client.computes.create(
      { name: 'first', env: { CANARY: canary } },
      { wait: 60 },
    )
    id = compute.id
    expect(compute.state).toBe('running')
    expect(await visitor.run(id, 'echo $CANARY; pwd')).toBe(`${canary}\n/home/user\n`)
    expect(await visitor.run(id, 'id -u')).not.toBe('0\n')
  })

  it('types into a terminal and reads the answer', async () => {
    const shell = await openShell(visitor, id)
    await shell.type('echo $((6*7)) > answer; cat answer\r')
    await shell.sees(/\b42\b/)
    shell.detach()
  })

  it('hibernates to nothing', async () => {
    await visitor.makeTree(id, { seed: 'a', smallFiles: 500, contiguousMib: 4 })
    before = await visitor.hashTree(id)
    const compute = await visitor.client.computes.hibernate(id, { wait: 60 })
    expect(compute.state).toBe('hibernated')
    expect(await stack.sandboxes()).toEqual([])
  })

  it('wakes with every file as it was', async () => {
    const compute = await visitor.client.computes.wake(id, { wait: 60 })
    expect(compute.state).toBe('running')
    expect(await visitor.hashTree(id)).toBe(before)
    expect(await visitor.run(id, 'cat answer')).toBe('42\n')
    expect(await visitor.run(id, 'echo $CANARY')).toBe(`${canary}\n`)
  })

  it('checkpoints, commits an image, starts another compute from it, and forks the files', async () => {
    const { client } = visitor
    await visitor.run(
      id,
      'mkdir -p /opt/env/bin && printf "#!/bin/sh\\necho packaged\\n" > /opt/env/bin/tool && chmod +x /opt/env/bin/tool',
    )
    const image_name = `with-tool-${randomBytes(4).toString('hex')}`
    const others: string[] = []
    try {
      await client.computes.commit(id, { name: image_name, wait: 60 })
      const second = await client.computes.create({ image_name }, { wait: 60 })
      others.push(second.id)
      expect(second.state).toBe('running')
      expect(await visitor.run(second.id, 'tool')).toBe('packaged\n')
      await client.computes.checkpoint(id, { wait: 60 })
      const first = await client.computes.get(id)
      const fork = await client.filesystems.fork(first.filesystem_id, { name: `of-${image_name}` })
      const third = await client.computes.create({ filesystem_id: fork.id }, { wait: 60 })
      others.push(third.id)
      expect(await visitor.hashTree(third.id)).toBe(before)
    } finally {
      for (const other of others) await client.computes.remove(other, { wait: 60 })
    }
  })

  it('deletes and leaves nothing', async () => {
    await visitor.client.computes.remove(id, { wait: 60, purge: true })
    expect(await visitor.state(id)).toBe('terminated')
    expect(await stack.sandboxes()).toEqual([])
  })

  it('never let a value of env into a history, a log or an event', async () => {
    const logs = await Promise.all(
      (['api', 'gateway', 'worker', 'data-worker'] as const).map((name) => stack.log(name)),
    )
    const events = await stack.db.selectFrom('events').select('data').execute()
    const histories = await everythingTemporalKnows(stack)
    expect(histories.length).toBeGreaterThan(1_000)
    for (const text of [...logs, JSON.stringify(events), histories])
      expect(text.includes(canary)).toBe(false)
    const rows = await stack.db.selectFrom('computes').selectAll().execute()
    expect(JSON.stringify(rows).includes(canary)).toBe(false)
  })
}
