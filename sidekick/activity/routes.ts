import type { SidekickContext } from '../context.ts'
import type { ActivityStatus } from '../protocol.ts'
import type { Router } from '../router.ts'
import { memoryBytes } from './memory.ts'

export const registerActivity = (
  router: Router,
  context: SidekickContext,
  counts: {
    readonly terminals: () => number
    readonly commands: () => number
    readonly endedForMemory: () => NonNullable<ActivityStatus['endedForMemory']>
  },
): void => {
  router.on(
    'GET',
    '/v1/activity',
    { scope: 'use', during: ['claimed', 'open', 'frozen', 'retired'] },
    async ({ query }): Promise<ActivityStatus> => ({
      idleForMs: context.activity.idleForMs(),
      reason: context.activity.reason(),
      dirty: await context.dirty(query.get('fresh') === '1'),
      terminals: counts.terminals(),
      commands: counts.commands(),
      memoryBytes: memoryBytes(context.processes),
      endedForMemory: counts.endedForMemory(),
    }),
  )
}
