import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { clusterSite } from './support/cluster-site.ts'
import { startStack, type Stack } from './support/stack.ts'
import { visit, type Visitor } from './support/visitor.ts'

/** A `tiny` compute: 512 MiB, 256 processes, under gVisor, where going over ends the pod. */
describe('limits inside a pod', () => {
  let stack: Stack
  let visitor: Visitor
  let id: string
  beforeAll(async () => {
    stack = await startStack({ site: clusterSite })
    visitor = await visit(stack)
  })
  afterAll(() => stack?.stop())
  // Of one that was ended once, no second try could say that it never was.
  beforeEach(async () => {
    id = (await visitor.client.computes.create({ tier: 'tiny' }, { wait: 60 })).id
    await visitor.run(id, 'echo here > /tmp/still')
  })
  afterEach(() => visitor.client.computes.remove(id, { wait: 60, purge: true }))

  const still = async () => {
    expect((await visitor.client.computes.get(id)).generation).toBe(1)
    expect(await visitor.run(id, 'cat /tmp/still')).toBe('here\n')
  }

  it.each([
    ['at once', `x = bytearray(2 ** 30)\nfor i in range(0, len(x), 4096): x[i] = 1`],
    [
      'little by little',
      `import time\nx = []\nwhile True: x.append(b'y' * 20_000_000); time.sleep(0.02)`,
    ],
  ])('memory taken %s ends the process that took it, not the compute', async (_how, program) => {
    const outcome = await visitor.run(
      id,
      `sleep 100 & python3 -c "exec('''${program}''')"; echo "exit $?"; kill -0 $! && echo small one lives`,
    )
    expect(outcome).toBe('exit 137\nsmall one lives\n')
    await still()
  })

  it('a fork bomb stays within its processes, and ends', async () => {
    // They sleep for longer than it takes to start them all.
    const bomb = 'i=0; while [ $i -lt 400 ]; do sleep 40 & i=$((i+1)); echo $i > /tmp/forked; done'
    await visitor.run(id, `sh -c '${bomb}' 2>/dev/null || true`)
    // No program can be started to ask, until they end.
    await expect.poll(() => visitor.run(id, 'true').catch(String), { timeout: 120_000 }).toBe('')
    const forked = Number(await visitor.run(id, 'cat /tmp/forked'))
    expect(forked).toBeGreaterThan(100)
    expect(forked).toBeLessThan(256)
    await still()
  })
})
