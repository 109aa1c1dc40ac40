import type { History } from './temporal-world.ts'

export const eventCount = (histories: readonly History[]): number =>
  histories.reduce((sum, history) => sum + (history.events?.length ?? 0), 0)
