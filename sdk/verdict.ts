import type { Client } from './client.ts'
import { isProblem } from './problem.ts'
import type { Verdict } from './terminal.ts'

/** What the API says about a compute whose terminal dropped. Reads only; wakes nothing. */
export const verdictOn = async (client: Client, computeId: string): Promise<Verdict> => {
  try {
    const { state, problem } = await client.computes.get(computeId)
    if (state === 'running') return 'attach'
    if (state === 'hibernated') return 'hibernated'
    if (state === 'failed') return { closed: `the compute failed: ${problem?.message ?? ''}` }
    if (state === 'terminating' || state === 'terminated')
      return { closed: 'the compute was deleted' }
    return 'wait'
  } catch (error) {
    if (isProblem(error) && error.status === 404) return { closed: 'the compute is gone' }
    if (isProblem(error) && error.status === 401)
      return { closed: 'you are not logged in any more' }
    return 'wait'
  }
}
