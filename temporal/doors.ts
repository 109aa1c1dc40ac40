/** What the API, the janitor and the launcher ask of computes' workflows. Every call ends in bounded time. */
import {
  WithStartWorkflowOperation,
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
  type Client,
  type WorkflowStartOptions,
} from '@temporalio/client'
import pRetry from 'p-retry'
import {
  OBSERVED_SIGNAL,
  REFRESH_SIGNAL,
  SETTLED_UPDATE,
  VIEW_QUERY,
  computeWorkflowId,
  type CommandArgs,
  type CommandName,
  type CommandResults,
  type ComputeInput,
  type ComputeView,
  type Observation,
} from '../workflows/compute/contract.ts'
import type { compute } from '../workflows/index.ts'
import * as keys from '../workflows/search-attributes.ts'
import { asDormouseError, isOver, isUntouched } from './door-errors.ts'
import { taskQueues } from './task-queues.ts'

export interface ComputeDoors {
  /**
   * Starts the compute's workflow, or finds it started, and waits until it settles, at most `waitMs`;
   * never throws when only the wait ran out.
   */
  create(input: ComputeInput, waitMs: number): Promise<{ view?: ComputeView; settled: boolean }>
  /**
   * Sends an update by update-with-start with recover:true input, so a compute whose workflow is gone
   * is adopted by the same call. `updateId` makes a repeated call the same call. With `waitMs` 0 it
   * returns once accepted. Errors: DormouseError, by the name the workflow gave.
   */
  command<K extends CommandName>(
    input: ComputeInput,
    name: K,
    args: CommandArgs[K],
    options: { waitMs: number; updateId?: string },
  ): Promise<{ result?: CommandResults[K]; settled: boolean }>
  view(computeId: string): Promise<ComputeView | undefined>
  observed(computeId: string, observation: Observation): Promise<void>
  /** Has the workflow compare itself with the row and the sandbox; does nothing when no open run exists. */
  refresh(computeId: string): Promise<void>
  /** Starts with recover when no open run exists. */
  adopt(input: ComputeInput): Promise<'adopted' | 'already_running'>
}

/** A worker accepts within milliseconds; none at all must not hang the caller. */
const ACCEPT_WITHIN_MS = 10_000

export const computeDoors = (
  client: Client,
  controlQueue: string = taskQueues().control,
): ComputeDoors => {
  const within = async <T>(ms: number, call: () => Promise<T>): Promise<T> => {
    try {
      return await client.withDeadline(Date.now() + ms, call)
    } catch (error) {
      throw asDormouseError(error)
    }
  }

  const update = <T>(
    ...call: Parameters<typeof updateOnce>
  ): Promise<{ result?: T; settled: boolean }> =>
    pRetry(() => updateOnce<T>(...call), {
      retries: 6,
      minTimeout: 50,
      randomize: true,
      shouldRetry: ({ error }) => isUntouched(error),
    })

  const updateOnce = async <T>(
    input: ComputeInput,
    name: string,
    args: unknown[],
    { waitMs, updateId }: { waitMs: number; updateId?: string },
  ): Promise<{ result?: T; settled: boolean }> => {
    const endsAt = Date.now() + waitMs
    // A caller who waits gives workers that are just starting that long, too.
    const handle = await within(Math.max(ACCEPT_WITHIN_MS, waitMs), () =>
      client.workflow.startUpdateWithStart<typeof compute, T, unknown[]>(name, {
        args,
        waitForStage: 'ACCEPTED',
        ...(updateId === undefined ? {} : { updateId }),
        startWorkflowOperation: new WithStartWorkflowOperation<typeof compute>('compute', {
          ...startOptions(input, controlQueue),
          workflowIdConflictPolicy: 'USE_EXISTING',
        }),
      }),
    )
    if (waitMs <= 0) return { settled: false }
    try {
      const result = await client.withDeadline(endsAt, () => handle.result())
      return { result, settled: true }
    } catch (error) {
      if (isOver(error)) return { settled: false }
      throw asDormouseError(error)
    }
  }

  const signal = async (computeId: string, name: string, ...args: unknown[]): Promise<void> => {
    const handle = client.workflow.getHandle(computeWorkflowId(computeId))
    await within(5000, () =>
      handle.signal(name, ...args).catch((error: unknown) => {
        // No open run: whoever adopts it looks at the row and the sandbox anyway.
        if (!(error instanceof WorkflowNotFoundError)) throw error
      }),
    )
  }

  return {
    async create(input, waitMs) {
      if (waitMs <= 0) {
        // Who does not wait needs no worker to answer, only the start to be written down.
        await within(ACCEPT_WITHIN_MS, () =>
          client.workflow.start<typeof compute>('compute', {
            ...startOptions(input, controlQueue),
            workflowIdConflictPolicy: 'USE_EXISTING',
          }),
        )
        return { settled: false }
      }
      const { result, settled } = await update<ComputeView>(input, SETTLED_UPDATE, [], { waitMs })
      return result === undefined ? { settled } : { view: result, settled }
    },
    command: (input, name, args, options) =>
      update({ ...input, recover: true }, name, [args], options),
    async view(computeId) {
      const handle = client.workflow.getHandle(computeWorkflowId(computeId))
      return within(5000, () =>
        handle.query<ComputeView, []>(VIEW_QUERY).catch((error: unknown) => {
          if (error instanceof WorkflowNotFoundError) return undefined
          throw error
        }),
      )
    },
    observed: (computeId, observation) => signal(computeId, OBSERVED_SIGNAL, observation),
    refresh: (computeId) => signal(computeId, REFRESH_SIGNAL),
    async adopt(input) {
      const options = startOptions({ ...input, recover: true }, controlQueue)
      return within(ACCEPT_WITHIN_MS, async () => {
        try {
          await client.workflow.start<typeof compute>('compute', {
            ...options,
            workflowIdConflictPolicy: 'FAIL',
          })
          return 'adopted'
        } catch (error) {
          if (error instanceof WorkflowExecutionAlreadyStartedError) return 'already_running'
          throw error
        }
      })
    },
  }
}

const startOptions = (
  input: ComputeInput,
  taskQueue: string,
): WorkflowStartOptions<typeof compute> => ({
  workflowId: computeWorkflowId(input.computeId),
  taskQueue,
  args: [input],
  staticSummary: `compute ${input.computeId}: ${input.image} on ${input.runtime}`.slice(0, 190),
  typedSearchAttributes: [
    { key: keys.ComputeState, value: 'requested' },
    { key: keys.ComputeReason, value: input.cause.reason },
    { key: keys.ComputeOwner, value: input.ownerId },
    { key: keys.ComputeGroup, value: input.groupId },
    { key: keys.ComputeImage, value: input.image },
    { key: keys.ComputeRuntime, value: input.runtime },
  ],
})
