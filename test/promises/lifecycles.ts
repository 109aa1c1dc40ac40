import { expect } from 'vitest'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ServiceName, Stack } from '../support/stack.ts'
import { forEachAtOnce } from '../support/at-once.ts'
import type { Visitor } from '../support/visitor.ts'

export interface KillStorm {
  readonly lifecycles: number
  readonly atOnce: number
  readonly kill: readonly ServiceName[]
  /** Between two kills, at random. */
  readonly everyMs: readonly [number, number]
}

/**
 * Whole lives, create → write → hibernate → wake → verify → commit → delete, while services get
 * SIGKILL again and again. Every life must be right; afterwards nothing may be left.
 * Source: fault catalogue R1, L1.
 */
export const survivesKillStorm = async (
  stack: Stack,
  visitor: Visitor,
  storm: KillStorm,
): Promise<{ kills: number; seconds: number }> => {
  const started = Date.now()
  const calm = new AbortController()
  const kills = killAgainAndAgain(stack, storm, calm.signal)
  try {
    await forEachAtOnce(storm.lifecycles, storm.atOnce, (n) => oneLife(visitor, n))
  } finally {
    calm.abort()
  }
  const fired = await kills
  expect(fired, 'a fault test that did not inject its fault fails').toBeGreaterThan(0)
  await nothingIsLeft(stack)
  return { kills: fired, seconds: (Date.now() - started) / 1000 }
}

const oneLife = async (visitor: Visitor, n: number): Promise<void> => {
  const { client, insist, until } = visitor
  const key = `life-${n}-${Math.random()}`
  const wait = 60
  const { id } = await insist(() => client.computes.create({ name: `life ${n}` }, { wait, key }))
  await until(id, 'running', 120_000)
  await visitor.makeTree(id, { seed: `s${n}`, smallFiles: 100, contiguousMib: 1 })
  const before = await visitor.hashTree(id)
  await insist(() => client.computes.hibernate(id, { wait }))
  await until(id, 'hibernated', 120_000)
  await insist(() => client.computes.wake(id, { wait }))
  await until(id, 'running', 120_000)
  expect(await visitor.hashTree(id), `life ${n}`).toBe(before)
  const image = `image-${id}`
  await insist(() =>
    client.computes.commit(id, { name: image, wait }).catch((error: unknown) => {
      // the first answer may have been lost with a service; the name is then taken by ourselves
      if (error instanceof Error && /exists|taken|already/i.test(error.message)) return undefined
      throw error
    }),
  )
  await insist(() => client.computes.remove(id, { purge: true, wait }))
  await until(id, 'terminated', 120_000)
}

const FIRST_KILL_MS = 1_500

const killAgainAndAgain = async (
  stack: Stack,
  storm: KillStorm,
  calm: AbortSignal,
): Promise<number> => {
  const [least, most] = storm.everyMs
  for (let kills = 0; ; kills++) {
    // the first comes early: on a quick machine a few short lives are over before the next one
    const pauseMs = kills === 0 ? FIRST_KILL_MS : least + Math.random() * (most - least)
    await sleep(pauseMs, undefined, { signal: calm }).catch(() => {})
    if (calm.aborted) return kills
    const service = storm.kill[kills % storm.kill.length]!
    await stack.kill(service)
    await stack.start(service)
  }
}

/** One row, one workflow, one sandbox each; nothing in the store without an owner. */
export const nothingIsLeft = async (stack: Stack): Promise<void> => {
  await expect.poll(() => stack.sandboxes(), { timeout: 60_000, interval: 500 }).toEqual([])
  const live = await stack.db
    .selectFrom('computes')
    .select(['id', 'state'])
    .where('state', '<>', 'terminated')
    .execute()
  expect(live).toEqual([])
  const leases = await stack.db
    .selectFrom('filesystems')
    .select('id')
    .where('lease_compute_id', 'is not', null)
    .execute()
  expect(leases).toEqual([])
}
