/** Keeps known whether the walls around computes hold: for /readyz, the console and the operator's monitor. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Db } from '../records/database.ts'
import { newId } from '../records/ids.ts'
import { MET, recordLook, recordWall, wallMet } from '../records/walls.ts'
import { findCompute } from '../records/computes.ts'
import { TIERS } from '../config/tiers.ts'
import { DormouseError } from '../workflows/errors.ts'
import type { ControlDeps } from './control-deps.ts'
import type { Runtime, SidekickControl, Wall } from './ports.ts'

/** Looks at every wall, again and again, until `signal`. */
export const keepWallsKnown = async (
  { db, runtime }: Pick<ControlDeps, 'db' | 'runtime'>,
  everyMs: number,
  signal: AbortSignal,
): Promise<void> => {
  while (!signal.aborted) {
    // A database that is away says so by itself; the next round writes.
    await look(db, runtime).catch(() => undefined)
    await sleep(everyMs, undefined, { signal }).catch(() => undefined)
  }
}

const look = async (db: Db, runtime: Runtime): Promise<void> => {
  let walls: readonly Wall[]
  try {
    walls = await wallsOf(runtime)
  } catch (error) {
    // Nothing is known of the others now: they stay as they were.
    const reason = error instanceof Error ? error.message : String(error)
    return recordWall(db, { part: 'runtime', holds: false, reason })
  }
  await recordLook(db, walls)
}

const wallsOf = async (runtime: Runtime): Promise<readonly Wall[]> => {
  if (runtime.walls !== undefined) return runtime.walls()
  const reason = await runtime.unavailable()
  return [{ part: 'runtime', holds: reason === null, ...(reason === null ? {} : { reason }) }]
}

/** Writes down that a compute's own try went through a wall; the refusal itself goes on to its workflow. */
export const tellingOfWalls = <T extends SidekickControl>(sidekick: T, db: Db): T => ({
  ...sidekick,
  async open(endpoint, target) {
    try {
      await sidekick.open(endpoint, target)
    } catch (error) {
      if (error instanceof DormouseError && error.name === 'IsolationUnavailable') {
        const row = await findCompute(db, target.computeId).catch(() => undefined)
        const wall = { part: MET, holds: false, reason: error.message }
        await recordWall(db, wall, row?.group_id ?? null).catch(() => undefined)
      }
      throw error
    }
  },
})

const HELLO_WITHIN_MS = 20_000

/**
 * A wall that a compute went through is tried again by a sandbox of the platform's own, since perhaps
 * nobody starts a compute meanwhile. Answers whether it was mended. Left behind by a worker that dies
 * here, the sandbox is one that no row names, and swept.
 */
export const tryWallMet = async ({
  db,
  runtime,
  sidekick,
  ticketKeys,
}: Pick<ControlDeps, 'db' | 'runtime' | 'sidekick' | 'ticketKeys'>): Promise<boolean> => {
  const met = await wallMet(db)
  if (met === undefined) return false
  const { cpuMillis, memoryBytes, pids, maxBytes } = TIERS.tiny
  const ref = { computeId: newId(), generation: 1 }
  try {
    const { address } = await runtime.ensure({
      ...ref,
      groupId: met.group_id ?? 'none',
      image: { name: 'base', digest: 'base' },
      network: 'shared',
      ...{ cpuMillis: cpuMillis.limit, memoryBytes: memoryBytes.limit, pids, treeBytes: maxBytes },
      requests: { cpuMillis: cpuMillis.request, memoryBytes: memoryBytes.request },
    })
    const { fingerprint } = await sidekick.hello(address, HELLO_WITHIN_MS)
    const endpoint = { address, fingerprint }
    await sidekick.claim(endpoint, {
      ...{ claimId: newId(), ...ref, epoch: 1, name: 'walls', ticketKeys, env: {} },
      caps: { maxBytes: 1, maxEntries: 1 },
    })
    await sidekick.open(endpoint, ref)
  } finally {
    await runtime.stop(ref, { keepTree: false })
  }
  await recordWall(db, { part: MET, holds: true })
  return true
}
