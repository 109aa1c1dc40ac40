/** One sweep over everything that could be orphaned; started by a schedule. */
import { proxyActivities, setCurrentDetails } from '@temporalio/workflow'
import type { ControlActivities } from '../../activities/contract.ts'
import { A_FEW_TIMES } from '../retry.ts'

export interface JanitorInput {
  /** Nothing younger than this is touched. */
  readonly graceMs: number
}

const { sweep } = proxyActivities<ControlActivities>({
  summary: 'remove orphans, adopt computes without a workflow',
  // A pass that hangs must not hold up the next: the schedule skips while one runs.
  startToCloseTimeout: '5m',
  heartbeatTimeout: '8s',
  scheduleToCloseTimeout: '10m',
  retry: A_FEW_TIMES,
})

/** What was found and done, by kind of orphan. */
export async function janitor({ graceMs }: JanitorInput): Promise<Record<string, number>> {
  const found = await sweep({ graceMs })
  const lines = Object.entries(found).map(([kind, count]) => `- ${kind}: ${count}`)
  setCurrentDetails(lines.length === 0 ? 'nothing to do' : lines.join('\n'))
  return found
}
