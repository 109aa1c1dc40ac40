import { expect } from 'vitest'
import { setTimeout as sleep } from 'node:timers/promises'
import { composeControl } from '../../activities/compose.ts'
import { orphanKinds } from '../../activities/orphans.ts'
import { createSweep } from '../../activities/sweep.ts'
import { everyItem } from '../../sdk/pages.ts'
import { isProblem } from '../../sdk/problem.ts'
import { forEachAtOnce } from '../support/at-once.ts'
import type { CuttableProxy } from '../support/cuttable-proxy.ts'
import { takeInventory, type Inventory } from '../support/inventory.ts'
import { SERVICES, type Stack } from '../support/stack.ts'
import type { Visitor } from '../support/visitor.ts'
import { strikeAgainAndAgain } from './lifecycles.ts'

const DAY_MS = 86_400_000
/** Older than anything the sweeper waits for. */
const LATER_MS = 32 * DAY_MS
const SMALL = { smallFiles: 20, contiguousMib: 1 }
const PLAN = { timezone: 'UTC', hibernate: ['0 3 1 1 *'], wake: [] }

/**
 * Random lives, while services get SIGKILL (R1) and answers of the database and of the store are lost
 * after they did their work (R4). Then, and a month of sweeping later, there is exactly what was there
 * before: nothing more, and nothing of what somebody still has is less. Source: fault catalogue L1.
 */
export const sweepsToTheBaseline = async (
  stack: Stack,
  visitor: Visitor,
  faults: { readonly database: CuttableProxy; readonly store: CuttableProxy },
  lifecycles: number,
) => {
  const kept = await thingsToKeep(visitor)
  await sweepLater(stack)
  const before = await takeInventory(stack)
  expect(before['objects']?.length, 'there is something that must stay').toBeGreaterThan(2)

  const started = Date.now()
  const calm = new AbortController()
  const kills = strikeAgainAndAgain(
    { everyMs: [5_000, 10_000] },
    async (n) => {
      const service = SERVICES[n % SERVICES.length]!
      await stack.kill(service)
      await stack.start(service)
    },
    calm.signal,
  )
  kills.catch(() => undefined)
  const losses = loseAnswers(Object.values(faults), calm.signal)
  try {
    await forEachAtOnce(lifecycles, 4, (n) => randomLife(visitor, n))
  } finally {
    calm.abort()
    await Promise.allSettled([losses, kills])
    for (const proxy of Object.values(faults)) proxy.pass()
  }
  const lost = { database: faults.database.faults, store: faults.store.faults }
  for (const [what, count] of Object.entries({ kills: await kills, ...lost }))
    expect(count, `a fault test that did not inject its fault fails: ${what}`).toBeGreaterThan(0)
  const seconds = (Date.now() - started) / 1000

  await removeWhatUsersWouldRemove(visitor, before)
  await expect
    .poll(async () => (await takeInventory(stack))['open workflows'], { timeout: 60_000 })
    .toEqual(before['open workflows'])
  const unswept = await takeInventory(stack)
  const swept = await sweepLater(stack)
  expect(await takeInventory(stack)).toEqual(before)
  await kept.areWhole()
  return { kills: await kills, lost, seconds, leftToSweep: surplus(unswept, before), swept }
}

/** What people have while the storm goes on: a compute that runs, one that sleeps, an image, a plan. */
const thingsToKeep = async ({ client, makeTree, hashTree }: Visitor) => {
  const up = await client.computes.create({ name: 'stays up' }, { wait: 60 })
  const asleep = await client.computes.create({ name: 'sleeps' }, { wait: 60 })
  for (const { id } of [up, asleep]) await makeTree(id, { ...SMALL, seed: id })
  const hashes = new Map([
    [up.id, await hashTree(up.id)],
    [asleep.id, await hashTree(asleep.id)],
  ])
  await client.computes.commit(up.id, { name: 'kept', wait: 60 })
  await client.api.json('PUT', `/api/computes/${up.id}/schedule`, { json: { schedule: PLAN } })
  await client.computes.hibernate(asleep.id, { wait: 60 })
  return {
    async areWhole() {
      await client.computes.wake(asleep.id, { wait: 60 })
      for (const [id, hash] of hashes) expect(await hashTree(id)).toBe(hash)
    },
  }
}

const STEPS = ['sleep', 'checkpoint', 'commit', 'fork', 'plan', 'ticket'] as const

/** Three steps of STEPS, and a delete: with what it wrote thrown away at once, or into the trash. */
const randomLife = async (visitor: Visitor, n: number): Promise<void> => {
  const { client, insist, until } = visitor
  const wait = 60
  const key = `random-life-${n}`
  const { id, filesystem_id } = await insist(() =>
    client.computes.create({ name: key }, { wait, key }),
  )
  await until(id, 'running', 120_000)
  await visitor.makeTree(id, { ...SMALL, seed: key })
  const before = await visitor.hashTree(id)
  const step: Record<(typeof STEPS)[number], () => Promise<unknown>> = {
    async sleep() {
      await insist(() => client.computes.hibernate(id, { wait }))
      await until(id, 'hibernated', 120_000)
      await insist(() => client.computes.wake(id, { wait }))
      await until(id, 'running', 120_000)
      expect(await visitor.hashTree(id), key).toBe(before)
    },
    checkpoint: () => insist(() => client.computes.checkpoint(id, { wait })),
    commit: () =>
      insist(() =>
        // the first answer may have been lost; the name is then taken by ourselves
        client.computes
          .commit(id, { name: `image-${id}`, wait })
          .catch(unless(/exists|taken|already/i)),
      ),
    async fork() {
      await insist(() => client.computes.checkpoint(id, { wait }))
      await insist(() => client.filesystems.fork(filesystem_id, { name: `fork-${id}` }))
    },
    plan: () =>
      insist(() =>
        client.api.json('PUT', `/api/computes/${id}/schedule`, { json: { schedule: PLAN } }),
      ),
    ticket: () => insist(() => client.door({ compute_id: id, purpose: 'terminal' })),
  }
  for (let i = 0; i < 3; i++) await step[STEPS[Math.floor(Math.random() * STEPS.length)]!]()
  await insist(() => client.computes.remove(id, { purge: Math.random() < 0.5, wait }))
  await until(id, 'terminated', 120_000)
}

/** Images and forks of the lives are things that people made: they go when people remove them. */
const removeWhatUsersWouldRemove = async (
  { client, insist }: Visitor,
  before: Inventory,
): Promise<void> => {
  const had = (id: string): boolean =>
    Object.values(before)
      .flat()
      .some((one) => one.includes(id))
  for (const { id, name } of (await client.images.list()).items)
    if (name.startsWith('image-') && !had(id)) await insist(() => client.images.remove(id))
  for await (const { id } of everyItem(client.filesystems.page))
    if (!had(id)) await insist(() => client.filesystems.remove(id, { purge: true }))
}

const loseAnswers = async (proxies: readonly CuttableProxy[], calm: AbortSignal): Promise<void> => {
  for (let n = 0; !calm.aborted; n++) {
    await sleep(300 + Math.random() * 1_200, undefined, { signal: calm }).catch(() => {})
    if (!calm.aborted) proxies[n % proxies.length]!.loseNextAnswer()
  }
}

/** As the janitor does, twice, but when everything is old enough. */
const sweepLater = async (stack: Stack): Promise<Readonly<Record<string, number>>> => {
  const { deps, close } = await composeControl(stack.env)
  try {
    const sweep = createSweep(deps, orphanKinds(), () => Date.now() + LATER_MS)
    const swept: Record<string, number> = {}
    // Each pass takes so many of a kind, and some kinds only what it met before: until two find nothing.
    for (let pass = 0, quiet = 0; quiet < 2 && pass < 100; pass += 1) {
      const found = Object.entries(await sweep({ graceMs: 0 }))
      for (const [kind, count] of found) swept[kind] = (swept[kind] ?? 0) + count
      quiet = found.some(([, count]) => count > 0) ? 0 : quiet + 1
    }
    return swept
  } finally {
    await close()
  }
}

const surplus = (now: Inventory, before: Inventory): Record<string, number> =>
  Object.fromEntries(
    Object.entries(now)
      .map(([what, all]) => [what, all.length - (before[what]?.length ?? 0)] as const)
      .filter(([, count]) => count !== 0),
  )

const unless =
  (harmless: RegExp) =>
  (error: unknown): undefined => {
    if (isProblem(error) && harmless.test(error.message)) return undefined
    throw error
  }
