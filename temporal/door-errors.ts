/** Failures of Temporal's client as the names of workflows/errors.ts. */
import {
  isGrpcServiceError,
  WorkflowFailedError,
  WorkflowUpdateFailedError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
} from '@temporalio/client'
import { ApplicationFailure } from '@temporalio/common'
import { DormouseError, isFailureName } from '../workflows/errors.ts'

const DEADLINE_EXCEEDED = 4
const CANCELLED = 1

/** Only the caller's patience ended; what it waited for goes on. */
export const isOver = (error: unknown): boolean =>
  error instanceof WorkflowUpdateRPCTimeoutOrCancelledError ||
  chain(error).some(
    (one) => isGrpcServiceError(one) && (one.code === DEADLINE_EXCEEDED || one.code === CANCELLED),
  )

/**
 * The server answers so when a worker completed its task without looking at the update, which happens
 * when many come at once. Nothing was done; the same call may be made again.
 */
export const isUntouched = (error: unknown): boolean =>
  chain(error).some((one) => one instanceof ApplicationFailure && one.type === 'UnprocessedUpdate')

export const asDormouseError = (error: unknown): DormouseError => {
  if (error instanceof DormouseError) return error
  if (error instanceof WorkflowUpdateFailedError || error instanceof WorkflowFailedError) {
    const named = chain(error).find(
      (one) => one instanceof ApplicationFailure && isFailureName(one.type),
    )
    if (named instanceof ApplicationFailure && isFailureName(named.type)) {
      const details = named.details?.[0]
      return new DormouseError(
        named.type,
        named.message,
        typeof details === 'object' && details !== null ? (details as Record<string, unknown>) : {},
        error,
      )
    }
  }
  const message = isOver(error)
    ? 'no worker took this in time; it was not lost and may still happen'
    : 'the workflow engine does not answer; try again'
  return new DormouseError('Unavailable', message, {}, error)
}

const chain = (error: unknown): unknown[] => {
  const found: unknown[] = []
  for (let one = error; one instanceof Error && found.length < 10; one = one.cause) found.push(one)
  return found
}
