import { expect } from 'vitest'
import { setTimeout as sleep } from 'node:timers/promises'
import type { CuttableProxy } from '../support/cuttable-proxy.ts'
import type { Visitor } from '../support/visitor.ts'

/** The store is away: the compute stays up and says so; once it is back the save ends in time. D7. */
export const staysUpWithoutTheStore = async (
  visitor: Visitor,
  store: CuttableProxy,
  outageMs: number,
): Promise<{ savedAfterMs: number }> => {
  const { client } = visitor
  const { id } = await client.computes.create({ name: 'no store' }, { wait: 60 })
  await visitor.makeTree(id, { seed: 'd7', smallFiles: 100, contiguousMib: 4 })
  const before = await visitor.hashTree(id)
  const faults = store.faults
  store.refuse()
  try {
    const asked = client.computes.hibernate(id, { wait: 5 }).catch((error: unknown) => error)
    await sleep(outageMs)
    await asked
    expect(store.faults, 'the store was really away').toBeGreaterThan(faults)
    expect((await client.computes.get(id)).state).not.toBe('hibernated')
    expect(await visitor.run(id, 'echo still here')).toBe('still here\n')
    const events = await client.events.page({ computeId: id, limit: 200 })
    expect(events.items.some((event) => /save_failed/.test(JSON.stringify(event)))).toBe(true)
  } finally {
    store.pass()
  }
  const back = Date.now()
  await visitor.until(id, 'hibernated', 60_000)
  const savedAfterMs = Date.now() - back
  await client.computes.wake(id, { wait: 60 })
  expect(await visitor.hashTree(id)).toBe(before)
  await client.computes.remove(id, { wait: 60, purge: true })
  return { savedAfterMs }
}

/** The connection to the store breaks at a random byte of the upload. D4. */
export const survivesCutUploads = async (
  visitor: Visitor,
  store: CuttableProxy,
  cuts: number,
): Promise<void> => {
  const { client, insist } = visitor
  const { id } = await client.computes.create({ name: 'cut uploads' }, { wait: 60 })
  await visitor.makeTree(id, { seed: 'cut', smallFiles: 50, contiguousMib: 1 })
  for (let cut = 0; cut < cuts; cut++) {
    await visitor.run(id, `head -c 12000000 /dev/urandom > tree/noise`)
    const before = await visitor.hashTree(id)
    const faults = store.faults
    store.cutAfter(Math.floor(Math.random() * 10_000_000))
    const asked = insist(() => client.computes.hibernate(id, { wait: 60 })).catch(() => undefined)
    try {
      await expect.poll(() => store.faults, { timeout: 60_000 }).toBeGreaterThan(faults)
    } finally {
      store.pass()
    }
    await asked
    await visitor.until(id, 'hibernated', 120_000)
    await insist(() => client.computes.wake(id, { wait: 60 }))
    expect(await visitor.hashTree(id), `cut ${cut}`).toBe(before)
  }
  await client.computes.remove(id, { wait: 60, purge: true })
}
