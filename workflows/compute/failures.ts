/** What an activity's failure means to the plot, and what a caller is told. */
import { ActivityFailure, ApplicationFailure, TimeoutFailure } from '@temporalio/workflow'
import { FAILURES, isFailureName, type FailureName } from '../errors.ts'
import type { ComputeProblem } from './contract.ts'

/** The named failure behind `error`; `fallback` when it has no name (a bug, a timeout, a lost worker). */
export const problemOf = (error: unknown, fallback: FailureName): ComputeProblem => {
  const cause = error instanceof ActivityFailure ? error.cause : error
  const at = new Date().toISOString()
  if (cause instanceof ApplicationFailure && isFailureName(cause.type))
    return {
      code: cause.type,
      message: cause.message,
      retryable: FAILURES[cause.type].retry,
      at,
    }
  // Unnamed messages may tell of the platform's inside; Temporal's history keeps them for operators.
  const message =
    cause instanceof TimeoutFailure
      ? `${FAILURES[fallback].title}: no answer in time`
      : FAILURES[fallback].title
  return { code: fallback, message, retryable: FAILURES[fallback].retry, at }
}

/** The row and the world know better than this run: it must ask them and carry on from there. */
export const mustRecall = (error: unknown): boolean => {
  const code = problemOf(error, 'Unavailable').code
  return code === 'StaleGeneration' || code === 'SandboxGone' || code === 'InvalidState'
}

export const failure = (
  code: FailureName,
  message: string,
  details: Readonly<Record<string, unknown>> = {},
): ApplicationFailure => ApplicationFailure.nonRetryable(message, code, details)
