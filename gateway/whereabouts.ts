import type { DirectoryEntry } from '../records/directory.ts'
import { Refusal } from './refusal.ts'
import type { Endpoint } from './sidekick-dial.ts'

export type ReadyEntry = DirectoryEntry & { readonly endpoint: Endpoint }

/** Takes traffic. While it is being saved its sidekick decides, and says so. */
export const isReady = (entry: DirectoryEntry): entry is ReadyEntry =>
  (entry.state === 'running' || entry.state === 'hibernating') && entry.endpoint !== null

/** Whether a wake, or waiting for one, would help. */
export const isWakeable = ({ state }: DirectoryEntry): boolean =>
  state !== 'failed' && state !== 'terminating' && state !== 'terminated'

/** Why a compute that is not ready does not answer, and what to do about it. */
export const notReady = (entry: DirectoryEntry): Refusal => {
  const { state, computeId } = entry
  const facts = { state }
  switch (state) {
    case 'hibernated':
      return new Refusal(
        'InvalidState',
        `The compute is hibernated. Wake it: POST /api/computes/${computeId}/wake, or send X-Dormouse-Wake: 1.`,
        facts,
      )
    case 'failed':
      return new Refusal(
        'InvalidState',
        `The compute failed${entry.problem === null ? '' : ` (${entry.problem.code})`}. Try again: POST /api/computes/${computeId}/retry, or delete it.`,
        facts,
      )
    case 'terminating':
    case 'terminated':
      return new Refusal('Gone', 'The compute was deleted.', facts)
    default:
      return new Refusal('SandboxGone', `The compute is ${state}; try again in a moment.`, facts)
  }
}
