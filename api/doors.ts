import type {
  CommandArgs,
  CommandName,
  CommandResults,
  ComputeInput,
  ComputeView,
} from '../workflows/compute/contract.ts'

/**
 * What the API asks of Temporal; temporal/doors.ts is the real one. Errors are DormouseErrors:
 * the workflow's refusals by name, Unavailable when Temporal does not answer. `settled: false`:
 * accepted, still under way after `waitMs`.
 */
export interface ComputeDoors {
  /** Starts the compute's workflow if it does not run, and waits for it to settle. */
  create(
    input: ComputeInput,
    waitMs: number,
  ): Promise<{ readonly view?: ComputeView; readonly settled: boolean }>
  command<Name extends CommandName>(
    input: ComputeInput,
    name: Name,
    args: CommandArgs[Name],
    options: { readonly waitMs: number; readonly updateId?: string },
  ): Promise<{ readonly result?: CommandResults[Name]; readonly settled: boolean }>
}
