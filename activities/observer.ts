import { setTimeout as sleep } from 'node:timers/promises'
import { findCompute } from '../records/computes.ts'
import { recordMemoryEnd } from '../records/memory-ends.ts'
import type { ControlDeps } from './control-deps.ts'
import { keepWallsKnown } from './walls.ts'
import type { Leading, LiveSandbox, SandboxSeen } from './ports.ts'
import type { Observation } from '../workflows/compute/contract.ts'

export type ObserverDeps = Pick<ControlDeps, 'db' | 'runtime'> & {
  readonly doors: Pick<ControlDeps['doors'], 'observed'>
}

const EVERY_MS = 2_000
/** Where the runtime tells by itself, looking is for what it may have missed. */
const EVERY_WHERE_TOLD_MS = 10_000
/** What is missing is looked for a second time soon. */
const AGAIN_MS = 2_000
/** A sandbox that vanished this soon after a process of it was ended for memory, vanished for that. */
const OUT_OF_MEMORY_WITHIN_MS = 60_000

const WALLS_EVERY_MS = 15_000

export interface ObserverOptions {
  readonly everyMs?: number
  readonly wallsEveryMs?: number
  readonly notes?: ObserverNotes
}

/** For those who count. */
export interface ObserverNotes {
  readonly looked: (ok: boolean) => void
  readonly told: (what: Observation['what']) => void
}

/**
 * Compares, again and again, what should be up with what is, and tells the compute's workflow what is
 * gone at two looks in a row; and at once what the runtime itself sees. Told as long as it lasts: a lost
 * signal costs one round. Looks at the walls, too. Of several observers of one runtime one does it, the others stand by.
 */
export const startObserver = (
  given: ObserverDeps,
  {
    everyMs = given.runtime.watch === undefined ? EVERY_MS : EVERY_WHERE_TOLD_MS,
    wallsEveryMs = WALLS_EVERY_MS,
    notes,
  }: ObserverOptions = {},
): Leading => {
  const deps = notes === undefined ? given : noting(given, notes)
  const { runtime } = deps
  let looking: Promise<unknown> = Promise.resolve()
  const leading = (runtime.lead ?? leadAlone)((signal) => {
    looking = Promise.all([
      keepLooking(deps, everyMs, signal, notes),
      keepWallsKnown(deps, wallsEveryMs, signal),
    ])
    // Told again as long as it lasts.
    runtime.watch?.((seen) => void tellSeen(deps, seen).catch(() => undefined), signal)
  })
  return {
    standing: leading.standing,
    async stop() {
      await leading.stop()
      await looking
    },
  }
}

const leadAlone = (work: (signal: AbortSignal) => void): Leading => {
  const end = new AbortController()
  work(end.signal)
  return { standing: () => 'leading', stop: async () => end.abort() }
}

const noting = (deps: ObserverDeps, { told }: ObserverNotes): ObserverDeps => ({
  ...deps,
  doors: {
    async observed(computeId, observation) {
      await deps.doors.observed(computeId, observation)
      told(observation.what)
    },
  },
})

const keepLooking = async (
  deps: ObserverDeps,
  everyMs: number,
  signal: AbortSignal,
  notes?: ObserverNotes,
): Promise<void> => {
  let seen: Seen = { missing: new Set(), told: new Map() }
  while (!signal.aborted) {
    try {
      seen = await look(deps, seen, signal)
      notes?.looked(true)
    } catch {
      // An error of a lister is not absence; the next round looks again.
      notes?.looked(false)
    }
    const pauseMs = seen.missing.size > 0 ? Math.min(AGAIN_MS, everyMs) : everyMs
    await sleep(pauseMs, undefined, { signal }).catch(() => undefined)
  }
}

interface Seen {
  readonly missing: ReadonlySet<string>
  /** When a process was ended for memory, of those that were told. */
  readonly told: ReadonlyMap<string, number>
}

const look = async (deps: ObserverDeps, before: Seen, signal: AbortSignal): Promise<Seen> => {
  const up = await openSandboxes(deps)
  const found = new Map((await deps.runtime.list()).map((one) => [idOf(one), one]))
  const gone = up.filter((one) => found.get(idOf(one))?.running !== true)
  for (const one of gone.filter((each) => before.missing.has(idOf(each)))) {
    if (signal.aborted) break
    const outOfMemory = isOutOfMemory(found.get(idOf(one)))
    await deps.doors.observed(one.computeId, {
      generation: one.generation,
      what: 'gone',
      reason: outOfMemory ? 'out_of_memory' : (found.get(idOf(one))?.ended ?? 'lost'),
    })
  }
  const told = await tellOutOfMemory(deps, up, found, before.told)
  return { missing: new Set(gone.map(idOf)), told }
}

/** Only of a compute that runs: in every other state it is the platform itself that starts and stops. */
const tellSeen = async (
  { db, runtime, doors }: ObserverDeps,
  { computeId, generation, what, why }: SandboxSeen,
): Promise<void> => {
  const row = await findCompute(db, computeId)
  if (row?.state !== 'running' || row.generation !== generation || row.runtime !== runtime.name)
    return
  await doors.observed(computeId, { generation, what, reason: why })
}

interface Up {
  readonly computeId: string
  readonly generation: number
}

const openSandboxes = async ({ db, runtime }: ObserverDeps): Promise<readonly Up[]> => {
  const rows = await db
    .selectFrom('computes')
    .select(['id', 'generation'])
    .where('state', 'in', ['running', 'hibernating'])
    .where('runtime', '=', runtime.name)
    .execute()
  return rows.map((row) => ({ computeId: row.id, generation: row.generation }))
}

/** Once for each time: the compute lives on, but its user should know why a process is gone. */
const tellOutOfMemory = async (
  { db }: ObserverDeps,
  up: readonly Up[],
  found: ReadonlyMap<string, LiveSandbox>,
  told: ReadonlyMap<string, number>,
): Promise<Map<string, number>> => {
  const now = new Map<string, number>()
  for (const one of up) {
    const atMs = found.get(idOf(one))?.outOfMemoryAtMs
    if (atMs === undefined) continue
    now.set(idOf(one), atMs)
    const isNews = Date.now() - atMs < OUT_OF_MEMORY_WITHIN_MS && told.get(idOf(one)) !== atMs
    if (!isNews) continue
    await recordMemoryEnd(db, one, new Date(atMs))
  }
  return now
}

const isOutOfMemory = (sandbox: LiveSandbox | undefined): boolean =>
  sandbox?.outOfMemoryAtMs !== undefined &&
  Date.now() - sandbox.outOfMemoryAtMs < OUT_OF_MEMORY_WITHIN_MS

const idOf = ({ computeId, generation }: { computeId: string; generation: number }): string =>
  `${computeId}.${generation}`
