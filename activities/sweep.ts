import type { ControlActivities } from './contract.ts'
import type { ControlDeps } from './control-deps.ts'
import { orphanKinds, type OrphanKind, type OrphanThings } from './orphans.ts'
import { tryWallMet } from './walls.ts'

const AT_ONCE = 8

/**
 * One pass over every kind. A kind that fails is counted under `<kind>_failed` and the others go on.
 * What needs two sightings is removed by the pass that sees it again.
 */
export const createSweep = (
  deps: ControlDeps,
  kinds: readonly OrphanKind[] = orphanKinds(),
  nowMs: () => number = Date.now,
): ControlActivities['sweep'] => {
  const seenBefore = new Map<string, ReadonlySet<string>>()

  return async ({ graceMs }) => {
    const counts: Record<string, number> = {}
    const add = (name: string, count: number): void => {
      if (count > 0) counts[name] = (counts[name] ?? 0) + count
    }
    try {
      add('walls_mended', (await tryWallMet(deps)) ? 1 : 0)
    } catch (error) {
      // What it met is written down, and keeps /readyz red.
      report('walls', error)
    }
    for (const kind of kinds) {
      const before = new Date(nowMs() - Math.max(kind.harmless ? 0 : graceMs, kind.minAgeMs))
      try {
        if ('drop' in kind) add(kind.name, await kind.drop(deps, before))
        else add(kind.name, await sweepKind(kind, before, add))
      } catch (error) {
        // Not listed is not absent: what was seen before has to be seen twice again.
        seenBefore.delete(kind.name)
        add(`${kind.name}_failed`, 1)
        report(kind.name, error)
      }
    }
    return counts
  }

  async function sweepKind(
    kind: OrphanThings,
    before: Date,
    add: (name: string, count: number) => void,
  ): Promise<number> {
    const found = await kind.find(deps, before)
    const known = seenBefore.get(kind.name) ?? new Set()
    seenBefore.set(kind.name, new Set(found.map(({ id }) => id)))
    const due = kind.seenTwice ? found.filter(({ id }) => known.has(id)) : [...found]
    let removed = 0
    for (let from = 0; from < due.length; from += AT_ONCE) {
      const batch = due.slice(from, from + AT_ONCE)
      for (const result of await Promise.allSettled(batch.map((orphan) => orphan.remove())))
        if (result.status === 'fulfilled') removed += result.value ? 1 : 0
        else {
          add(`${kind.name}_failed`, 1)
          report(kind.name, result.reason)
        }
    }
    return removed
  }
}

const report = (kind: string, error: unknown): void => {
  const message = error instanceof Error ? error.message : String(error)
  process.stderr.write(`${JSON.stringify({ level: 'warn', msg: 'sweep', kind, error: message })}\n`)
}
