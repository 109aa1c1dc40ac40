import { appendEvent } from '../records/events.ts'
import { requireBinding } from './binding.ts'
import type { ControlActivities } from './contract.ts'
import type { ControlDeps } from './control-deps.ts'
import { namingTheEnd } from './end-with-sandbox.ts'

type ProbeDeps = Pick<ControlDeps, 'db' | 'runtime' | 'sidekick'>

export const createProbe =
  (deps: ProbeDeps): ControlActivities['probe'] =>
  async (input) => {
    const { endpoint } = await requireBinding(deps.db, input)
    const status = await namingTheEnd(deps.runtime, input, () =>
      deps.sidekick.activity(endpoint, input),
    )
    return { idleForMs: status.idleForMs, reason: status.reason, dirty: status.dirty }
  }

/** The event is the promise; a line in the terminals is a courtesy that may fail. */
export const createAnnounce =
  (deps: ProbeDeps): ControlActivities['announce'] =>
  async (input) => {
    const { endpoint, compute } = await requireBinding(deps.db, input)
    const { computeId, generation, reason, inMs } = input
    await appendEvent(deps.db, {
      groupId: compute.group_id,
      computeId,
      generation,
      type: 'compute.announced',
      reason,
      actor: `system:${reason}`,
      data: { inMs, endsAt: new Date(Date.now() + inMs).toISOString() },
    })
    const what = reason === 'lifetime' ? 'its lifetime ends' : 'its schedule says so'
    const line = `This compute will be saved and hibernated in ${spoken(inMs)}: ${what}. Extend it to keep it up.`
    await deps.sidekick.notice(endpoint, input, line).catch(() => undefined)
  }

const spoken = (ms: number): string => {
  const minutes = Math.round(ms / 60_000)
  if (minutes >= 2) return `${minutes} minutes`
  return minutes === 1 ? 'one minute' : `${Math.max(1, Math.round(ms / 1000))} seconds`
}
