/**
 * A local activity is part of a workflow task and holds it until it answers, whatever its timeout says.
 * So its end is told at once; what it still does goes on, and is safe to be done twice.
 */
import { Context } from '@temporalio/activity'
import type { ActivityInterceptorsFactory } from '@temporalio/worker'

export const localEnd: ActivityInterceptorsFactory = (context) => ({
  inbound: {
    execute: (input, next) =>
      context.info.isLocal ? Promise.race([next(input), Context.current().cancelled]) : next(input),
  },
})
