import { setTimeout as sleep } from 'node:timers/promises'
import { requireCompute, transition } from '../records/computes.ts'
import { findSandbox } from '../records/generations.ts'
import type { ComputeState } from '../workflows/compute/contract.ts'
import { isComingUp } from '../workflows/compute/lifecycle.ts'
import type { ControlActivities, Target } from './contract.ts'
import type { ControlDeps } from './control-deps.ts'
import { createStop } from './stop.ts'

const RECOVERED = { reason: 'recovered', actor: 'system:worker' } as const
/** `in use`: open to the users that were let in. */
type Outcome = 'saved' | 'in use' | 'going on'

const HELLO_WITHIN_MS = 3_000
/** A save whose workflow was terminated hears of it by its heartbeat, within this, and thaws. */
const ORPHANED_SAVE_ENDS_MS = 10_000

/**
 * Row and runtime as they are; a sandbox that a dead save left frozen goes on, if it still can. A row
 * that says of a sandbox with users in it that it is still coming up is put right: a late attempt
 * wrote that, and who believed it would end the sandbox with what they wrote.
 */
export const createRecall = (
  deps: Pick<ControlDeps, 'db' | 'runtime' | 'sidekick'>,
): ControlActivities['recall'] => {
  const { db, runtime, sidekick } = deps
  const stop = createStop(deps)

  return async ({ computeId }) => {
    const found = await requireCompute(db, computeId)
    const target = { computeId, generation: found.generation }
    let sandbox = await runtime.inspect(target)
    const outcome = sandbox === 'live' ? await outcomeOfSave(found.state, target) : undefined
    if (outcome === 'saved') {
      await finishHibernation(found.state, target)
      sandbox = 'gone'
    }
    if (outcome === 'in use' && isComingUp(found.state))
      await transition(db, { ...target, to: 'running', cause: RECOVERED })
    const row = await requireCompute(db, computeId)
    return {
      state: row.state,
      generation: row.generation,
      sandbox,
      since: row.state_since.toISOString(),
      cause: { reason: row.reason, actor: row.actor },
      ...(row.problem === null ? {} : { problem: row.problem }),
      lifetimeEndsAt: row.lifetime_ends_at?.toISOString() ?? null,
      ...(row.delete_requested === null ? {} : { deleteRequested: row.delete_requested }),
    }
  }

  /** A save of a run that is gone may still be at work: judged before its end, it would end behind our back. */
  async function outcomeOfSave(state: ComputeState, target: Target): Promise<Outcome> {
    if (state === 'hibernating' && !(await isRetired(target))) await sleep(ORPHANED_SAVE_ENDS_MS)
    return letGoOn(target)
  }

  async function isRetired(target: Target): Promise<boolean> {
    const binding = await findSandbox(db, target)
    if (binding === undefined || binding.address === null) return false
    return sidekick.hello(binding.address, HELLO_WITHIN_MS).then(
      ({ state }) => state === 'retired',
      () => false,
    )
  }

  async function letGoOn(target: Target): Promise<Outcome> {
    const binding = await findSandbox(db, target)
    if (binding === undefined || binding.address === null || binding.fingerprint === null)
      return 'going on'
    const endpoint = { address: binding.address, fingerprint: binding.fingerprint }
    try {
      const { state, fingerprint } = await sidekick.hello(endpoint.address, HELLO_WITHIN_MS)
      if (fingerprint !== endpoint.fingerprint) return 'going on'
      if (state === 'retired') return 'saved'
      if (state === 'frozen') await sidekick.thaw(endpoint, target, binding.epoch)
      const wasOpened = binding.opened_at !== null && binding.ended_at === null
      if (wasOpened && (state === 'open' || state === 'frozen')) return 'in use'
    } catch {
      // No answer: its lease ends the freeze.
    }
    return 'going on'
  }

  /** A sidekick is retired only after its save was published: what is left of the hibernation is to stop it. */
  async function finishHibernation(state: ComputeState, target: Target): Promise<void> {
    const to = state === 'hibernating' || state === 'running' ? 'hibernated' : null
    await stop({ ...target, to, cause: RECOVERED, keepTree: false })
  }
}
