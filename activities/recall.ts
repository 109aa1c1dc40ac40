import { requireCompute } from '../records/computes.ts'
import { findSandbox } from '../records/generations.ts'
import type { ControlActivities } from './contract.ts'
import type { ControlDeps } from './control-deps.ts'

/** Row and runtime as they are; a sandbox that a dead save left frozen goes on, if it still can. */
export const createRecall =
  ({
    db,
    runtime,
    sidekick,
  }: Pick<ControlDeps, 'db' | 'runtime' | 'sidekick'>): ControlActivities['recall'] =>
  async ({ computeId }) => {
    const row = await requireCompute(db, computeId)
    const target = { computeId, generation: row.generation }
    const sandbox = await runtime.inspect(target)
    const binding = sandbox === 'live' ? await findSandbox(db, target) : undefined
    if (binding !== undefined && binding.address !== null && binding.fingerprint !== null) {
      const endpoint = { address: binding.address, fingerprint: binding.fingerprint }
      // Not frozen, not open yet or retired: nothing to thaw. No answer: its lease ends the freeze.
      await sidekick.thaw(endpoint, target, binding.epoch).catch(() => undefined)
    }
    return {
      state: row.state,
      generation: row.generation,
      sandbox,
      since: row.state_since.toISOString(),
      cause: { reason: row.reason, actor: row.actor },
      ...(row.problem === null ? {} : { problem: row.problem }),
      ...(row.delete_requested === null ? {} : { deleteRequested: row.delete_requested }),
    }
  }
