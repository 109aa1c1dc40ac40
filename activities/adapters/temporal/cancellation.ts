import { Context } from '@temporalio/activity'

/** Aborted when the running activity is cancelled, its heartbeat timed out, or the worker drains. */
export const cancellation = (): AbortSignal => Context.current().cancellationSignal
