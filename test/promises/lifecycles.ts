import { expect } from 'vitest'
import { setTimeout as sleep } from 'node:timers/promises'
import { forEachAtOnce } from '../support/at-once.ts'
import { SUDDEN_ENDS, type PostgresServer } from '../support/postgres-server.ts'
import { SERVICES, type ServiceName, type Stack } from '../support/stack.ts'
import type { Visitor } from '../support/visitor.ts'

export interface Storm {
  readonly lifecycles: number
  readonly atOnce: number
  /** Between two strikes, at random. */
  readonly everyMs: readonly [number, number]
}

export interface KillStorm extends Storm {
  readonly kill: readonly ServiceName[]
}

/**
 * Whole lives, create → write → hibernate → wake → verify → commit → delete, while services get
 * SIGKILL again and again. Every life must be right; afterwards nothing may be left.
 * Source: fault catalogue R1.
 */
export const survivesKillStorm = async (
  stack: Stack,
  visitor: Visitor,
  storm: KillStorm,
): Promise<{ kills: number; seconds: number }> => {
  const { strikes, seconds } = await survivesStorm(stack, visitor, storm, async (n) => {
    const service = storm.kill[n % storm.kill.length]!
    await stack.kill(service)
    await stack.start(service)
  })
  return { kills: strikes, seconds }
}

/** The same lives while the database ends without warning, is away for up to 2 s, and comes back. R2. */
export const survivesDatabaseRestarts = async (
  stack: Stack,
  visitor: Visitor,
  postgres: PostgresServer,
  storm: Storm,
): Promise<{ strikes: number; seconds: number }> => {
  const result = await survivesStorm(stack, visitor, storm, async (n) => {
    await postgres.end(SUDDEN_ENDS[n % SUDDEN_ENDS.length]!)
    await sleep(Math.random() * 2_000)
    await postgres.start()
  })
  for (const service of SERVICES) expect(stack.isUp(service), `${service} lives on`).toBe(true)
  return result
}

const survivesStorm = async (
  stack: Stack,
  visitor: Visitor,
  storm: Storm,
  strike: (n: number) => Promise<void>,
): Promise<{ strikes: number; seconds: number }> => {
  const started = Date.now()
  const calm = new AbortController()
  const striking = strikeAgainAndAgain(storm, strike, calm.signal)
  striking.catch(() => undefined)
  try {
    await forEachAtOnce(storm.lifecycles, storm.atOnce, (n) => oneLife(visitor, n))
  } finally {
    calm.abort()
    // What is being struck is up again before anybody stops the stack or tries this once more.
    await Promise.allSettled([striking])
  }
  const strikes = await striking
  expect(strikes, 'a fault test that did not inject its fault fails').toBeGreaterThan(0)
  await nothingIsLeft(stack)
  return { strikes, seconds: (Date.now() - started) / 1000 }
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

const FIRST_STRIKE_MS = 1_500

export const strikeAgainAndAgain = async (
  storm: Pick<Storm, 'everyMs'>,
  strike: (n: number) => Promise<void>,
  calm: AbortSignal,
): Promise<number> => {
  const [least, most] = storm.everyMs
  for (let strikes = 0; ; strikes++) {
    // the first comes early: on a quick machine a few short lives are over before the next one
    const pauseMs = strikes === 0 ? FIRST_STRIKE_MS : least + Math.random() * (most - least)
    await sleep(pauseMs, undefined, { signal: calm }).catch(() => {})
    if (calm.aborted) return strikes
    await strike(strikes)
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
