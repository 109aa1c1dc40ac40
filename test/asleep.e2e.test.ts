import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { setTimeout as sleep } from 'node:timers/promises'
import { openShell } from './support/shell.ts'
import { startStack, type Stack } from './support/stack.ts'
import { visit, type Visitor } from './support/visitor.ts'

const IDLE_S = 4

describe('sleep', () => {
  let stack: Stack
  let visitor: Visitor
  beforeAll(async () => {
    stack = await startStack()
    visitor = await visit(stack)
  })
  afterAll(() => stack?.stop())

  it('comes over an open terminal and a polling page, and holds for three idle periods', async () => {
    const { client } = visitor
    const { id } = await client.computes.create({ idle_timeout: IDLE_S }, { wait: 60 })
    const shell = await openShell(visitor, id)
    await shell.type('echo typed\r')
    await shell.sees(/typed\r?\n/)

    const leaving = new AbortController()
    const page = pollAsAPageDoes(visitor, stack, id, leaving.signal)
    page.catch(() => undefined)
    const asleep = await visitor.until(id, 'hibernated', 60_000)
    expect(asleep.reason).toBe('idle')
    await expect.poll(() => shell.status().state, { timeout: 15_000 }).toBe('hibernated')

    await sleep(3 * IDLE_S * 1_000)
    const still = await client.computes.get(id)
    expect(still.state).toBe('hibernated')
    expect(still.generation).toBe(asleep.generation)
    leaving.abort()
    expect(await page, 'the page really polled').toBeGreaterThan(20)
    shell.detach()
    await client.computes.remove(id, { wait: 60, purge: true })
  })

  it('never comes over a command that somebody runs', async () => {
    const { client } = visitor
    const { id } = await client.computes.create({ idle_timeout: 2 }, { wait: 60 })
    const result = await client.capture(id, { command: 'sleep 8; echo done', timeoutMs: 0 })
    expect(result.stdout).toBe('done\n')
    expect((await client.computes.get(id)).generation).toBe(1)
    await client.computes.remove(id, { wait: 60, purge: true })
  })
})

/** API reads, and a fetch of the compute's own port page without a person behind it. */
const pollAsAPageDoes = async (
  { client }: Visitor,
  stack: Stack,
  id: string,
  leaving: AbortSignal,
): Promise<number> => {
  let polls = 0
  for (; !leaving.aborted; polls++) {
    await client.computes.get(id)
    await client.events.page({ computeId: id, limit: 5 })
    await fetch(`${stack.gatewayUrl}/compute/${id}/activity`, {
      headers: {
        authorization: `Bearer ${await client.api.auth.token()}`,
        'sec-fetch-mode': 'cors',
        'sec-fetch-site': 'same-origin',
      },
    }).then((response) => response.body?.cancel())
    await sleep(200, undefined, { signal: leaving }).catch(() => {})
  }
  return polls
}
