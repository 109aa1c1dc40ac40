/** Every activity heartbeats while its process lives, so that a killed worker is noticed in seconds. */
import { Context } from '@temporalio/activity'
import type { ActivityInterceptorsFactory } from '@temporalio/worker'

const EVERY_MS = 2_000

export const heartbeats: ActivityInterceptorsFactory = (context) => ({
  inbound: {
    execute: async (input, next) => {
      if (context.info.heartbeatTimeoutMs === undefined) return next(input)
      const timer = setInterval(() => Context.current().heartbeat(), EVERY_MS)
      try {
        return await next(input)
      } finally {
        clearInterval(timer)
      }
    },
  },
})
