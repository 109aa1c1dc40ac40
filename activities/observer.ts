import { findCompute } from '../records/computes.ts'
import { appendEvent } from '../records/events.ts'
import type { ControlDeps } from './control-deps.ts'
import type { LiveSandbox, SandboxSeen } from './ports.ts'

type ObserverDeps = Pick<ControlDeps, 'db' | 'runtime' | 'doors'>

const EVERY_MS = 2_000
/** Where the runtime tells by itself, looking is for what it may have missed. */
const EVERY_WHERE_TOLD_MS = 10_000
/** A sandbox that vanished this soon after a process of it was ended for memory, vanished for that. */
const OUT_OF_MEMORY_WITHIN_MS = 60_000

/**
 * Compares, again and again, what should be up with what is, and tells the compute's workflow what is
 * gone at two looks in a row. Told as long as it lasts: a lost signal costs one round.
 */
export const startObserver = (
  deps: ObserverDeps,
  everyMs = deps.runtime.watch === undefined ? EVERY_MS : EVERY_WHERE_TOLD_MS,
): { stop(): Promise<void> } => {
  let missing = new Set<string>()
  let told = new Map<string, number>()
  let stopped = false
  let timer: NodeJS.Timeout | undefined
  let round: Promise<void> = Promise.resolve()

  const look = async (): Promise<void> => {
    const up = await openSandboxes(deps)
    const found = new Map((await deps.runtime.list()).map((one) => [idOf(one), one]))
    const gone = up.filter((one) => found.get(idOf(one))?.running !== true)
    const again = gone.filter((one) => missing.has(idOf(one)))
    missing = new Set(gone.map(idOf))
    for (const one of again) {
      const outOfMemory = isOutOfMemory(found.get(idOf(one)))
      await deps.doors.observed(one.computeId, {
        generation: one.generation,
        what: 'gone',
        reason: outOfMemory ? 'out_of_memory' : (found.get(idOf(one))?.ended ?? 'lost'),
      })
    }
    told = await tellOutOfMemory(deps, up, found, told)
  }

  const schedule = (): void => {
    if (stopped) return
    timer = setTimeout(() => {
      round = look()
        // An error of a lister is not absence; the next round looks again.
        .catch(() => undefined)
        .finally(schedule)
    }, everyMs)
  }
  schedule()
  const watch = deps.runtime.watch?.((seen) => {
    // Told again as long as it lasts.
    void tellSeen(deps, seen).catch(() => undefined)
  })
  return {
    async stop() {
      await watch?.stop()
      stopped = true
      clearTimeout(timer)
      await round
    },
  }
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
  readonly groupId: string
}

const openSandboxes = async ({ db, runtime }: ObserverDeps): Promise<readonly Up[]> => {
  const rows = await db
    .selectFrom('computes')
    .select(['id', 'generation', 'group_id'])
    .where('state', 'in', ['running', 'hibernating'])
    .where('runtime', '=', runtime.name)
    .execute()
  return rows.map((row) => ({
    computeId: row.id,
    generation: row.generation,
    groupId: row.group_id,
  }))
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
    await appendEvent(db, {
      groupId: one.groupId,
      computeId: one.computeId,
      generation: one.generation,
      type: 'compute.process_ended',
      reason: 'out_of_memory',
      actor: 'system:observer',
      data: { at: new Date(atMs).toISOString() },
    })
  }
  return now
}

const isOutOfMemory = (sandbox: LiveSandbox | undefined): boolean =>
  sandbox?.outOfMemoryAtMs !== undefined &&
  Date.now() - sandbox.outOfMemoryAtMs < OUT_OF_MEMORY_WITHIN_MS

const idOf = ({ computeId, generation }: { computeId: string; generation: number }): string =>
  `${computeId}.${generation}`
