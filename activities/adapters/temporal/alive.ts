import { Context } from '@temporalio/activity'

/** A third of the heartbeat timeout the workflows set. */
const HEARTBEAT_EVERY_MS = 4_000

/** Heartbeats while `work` runs; its signal is aborted when the activity is cancelled or the worker drains. */
export const alive = async <T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> => {
  const context = Context.current()
  const timer = setInterval(() => context.heartbeat(), HEARTBEAT_EVERY_MS)
  try {
    return await work(context.cancellationSignal)
  } finally {
    clearInterval(timer)
  }
}
