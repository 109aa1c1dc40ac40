/** Which state of a compute's row may follow which: what no way leads to, an attempt that is late wrote. */
import { COMPUTE_STATES, type ComputeState } from '../workflows/compute/contract.ts'

const ANY_BUT_GOING = COMPUTE_STATES.filter(
  (state) => state !== 'terminating' && state !== 'terminated',
)

/**
 * The ways of workflows/compute/lifecycle.ts, and those of a start whose answers were lost: the row is
 * further than its workflow knows, which then starts the next generation or gives up.
 */
const FROM: Readonly<Record<ComputeState, readonly ComputeState[] | 'any'>> = {
  requested: [],
  provisioning: ['requested', 'restoring', 'running', 'waking', 'failed'],
  waking: ['provisioning', 'restoring', 'running', 'hibernating', 'hibernated'],
  restoring: ['provisioning', 'waking'],
  running: ['provisioning', 'waking', 'restoring', 'hibernating'],
  hibernating: ['running'],
  hibernated: ['running', 'hibernating'],
  failed: ANY_BUT_GOING,
  terminating: 'any',
  terminated: 'any',
}

/** The same state again, with another reason or problem, is no move. */
export const mayFollow = (from: ComputeState, to: ComputeState): boolean => {
  const ways = FROM[to]
  return from === to || ways === 'any' || ways.includes(from)
}
