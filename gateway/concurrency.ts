import { Refusal } from './refusal.ts'

/** How much goes on at once through this process, by compute: no compute takes all of a gateway. */
export interface Concurrency {
  /**
   * Counts one request or socket of anybody (at a public port) or of somebody known; returns how to
   * leave, once however often it is called. Errors: RateLimited.
   */
  enter(computeId: string, anybody: boolean): () => void
}

export const createConcurrency = (limits: {
  readonly perCompute: number
  /** Of those, anybody's: what is left is for those who may use the compute. */
  readonly anybodyPerCompute: number
}): Concurrency => {
  const counts = new Map<string, { all: number; anybodys: number }>()
  return {
    enter(computeId, anybody) {
      const count = counts.get(computeId) ?? { all: 0, anybodys: 0 }
      if (anybody && count.anybodys >= limits.anybodyPerCompute)
        throw new Refusal(
          'RateLimited',
          `At most ${limits.anybodyPerCompute} requests and sockets at once without a login at one compute; try again in a moment.`,
        )
      if (count.all >= limits.perCompute)
        throw new Refusal(
          'RateLimited',
          `At most ${limits.perCompute} requests and sockets at once at one compute; close some, or try again in a moment.`,
        )
      count.all += 1
      if (anybody) count.anybodys += 1
      counts.set(computeId, count)
      let left = false
      return () => {
        if (left) return
        left = true
        count.all -= 1
        if (anybody) count.anybodys -= 1
        if (count.all === 0) counts.delete(computeId)
      }
    },
  }
}
