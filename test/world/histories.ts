import { mkdir, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { temporal } from '@temporalio/proto'
import { computeWorkflowId, type ComputeInput } from '../../workflows/compute/contract.ts'
import { PLOT } from '../../workflows/plot.ts'
import type { History } from './temporal-world.ts'

const HISTORIES_DIR = fileURLToPath(new URL(`../histories/recorded/plot-${PLOT}/`, import.meta.url))

export const eventCount = (histories: readonly History[]): number =>
  histories.reduce((sum, history) => sum + (history.events?.length ?? 0), 0)

/** With DORMOUSE_RECORD_HISTORIES=1, writes what a path of life left behind, for the replay test. */
export const keepHistories = async (
  name: string,
  input: ComputeInput,
  histories: readonly History[],
): Promise<void> => {
  if (process.env['DORMOUSE_RECORD_HISTORIES'] !== '1') return
  await mkdir(HISTORIES_DIR, { recursive: true })
  // A run without a finished task has nothing to replay, and a replayer waits for it for ever.
  const begun = histories.filter((history) =>
    history.events?.some((event) => event.workflowTaskCompletedEventAttributes),
  )
  const runs = begun.map((history) =>
    Buffer.from(temporal.api.history.v1.History.encode(history).finish()).toString('base64'),
  )
  await writeFile(
    `${HISTORIES_DIR}${name}.json`,
    `${JSON.stringify({ workflowId: computeWorkflowId(input.computeId), runs })}\n`,
  )
}
