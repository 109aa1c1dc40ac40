import { setTimeout as sleep } from 'node:timers/promises'
import type { Supervised } from './processes.ts'

/** Polls `probe` until it resolves; says what the last refusal was when `withinMs` is over. */
export const waitUntil = async (
  what: string,
  probe: () => Promise<unknown>,
  options: { readonly withinMs: number; readonly everyMs?: number; readonly child?: Supervised },
): Promise<void> => {
  const deadline = Date.now() + options.withinMs
  let crashes = 0
  for (;;) {
    try {
      await probe()
      return
    } catch (error) {
      const exit = options.child?.lastExit()
      if (exit !== undefined) crashes++
      if (Date.now() > deadline || crashes > 20)
        throw new Error(
          `${what} is not ready after ${options.withinMs / 1000} s${exit === undefined ? '' : ` (it ended with ${exit})`}: ${error instanceof Error ? error.message : String(error)}`,
          { cause: error },
        )
      await sleep(options.everyMs ?? 50)
    }
  }
}
