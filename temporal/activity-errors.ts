/** Named errors of activities as failures of the same name, terminal or retryable as workflows/errors.ts says. */
import { ApplicationFailure } from '@temporalio/common'
import type { ActivityInterceptorsFactory } from '@temporalio/worker'
import { DormouseError, FAILURES, isFailureName } from '../workflows/errors.ts'

export const namedErrors: ActivityInterceptorsFactory = () => ({
  inbound: {
    execute: async (input, next) => {
      try {
        return await next(input)
      } catch (error) {
        throw asFailure(error)
      }
    },
  },
})

export const asFailure = (error: unknown): unknown => {
  // By name too: a class bundled twice is no longer instanceof itself.
  const named =
    error instanceof DormouseError || (error instanceof Error && isFailureName(error.name))
  if (!named || !isFailureName(error.name)) return error
  const details = 'details' in error ? [error.details] : []
  return ApplicationFailure.create({
    type: error.name,
    message: error.message,
    nonRetryable: !FAILURES[error.name].retry,
    details,
    ...(error.cause instanceof Error ? { cause: error.cause } : {}),
  })
}
