import type { ComputeRow } from '../records/computes.ts'
import type { LiveSandbox } from './ports.ts'

export const foreignOrNeeded = 'foreign or needed'

/**
 * What to do with a sandbox or tree, by its compute's row. A tree goes only when no row names it or
 * the row says that everything in it was published or given up.
 */
export const judgeSandbox = (
  sandbox: LiveSandbox,
  row: ComputeRow | undefined,
  before: Date,
): { readonly keepTree: boolean } | typeof foreignOrNeeded => {
  if (row === undefined) return { keepTree: false }
  if (row.state_since >= before) return foreignOrNeeded
  // Newer than the row: the row came from an older backup, and the files are what is left.
  if (sandbox.generation > row.generation) return foreignOrNeeded
  if (row.state === 'terminated' || row.state === 'hibernated') return { keepTree: false }
  if (sandbox.generation < row.generation)
    return sandbox.running ? { keepTree: true } : foreignOrNeeded
  // Failed: nothing runs, its tree waits for the retry.
  if (row.state === 'failed' && sandbox.running) return { keepTree: true }
  return foreignOrNeeded
}
