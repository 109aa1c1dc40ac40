import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Supervised } from './processes.ts'

/** Says what was waited for, why it did not come, and the end of its log. */
export class NotReady extends Error {
  override readonly name = 'NotReady'
}

const CRASHES_ENOUGH = 3
const LOG_LINES = 12

/** Polls `probe` until it resolves; NotReady when the time is over or its process has crashed thrice. */
export const waitUntil = async (
  what: string,
  probe: () => Promise<unknown>,
  options: { readonly withinMs: number; readonly everyMs?: number; readonly child: Supervised },
): Promise<void> => {
  const deadline = Date.now() + options.withinMs
  const { child } = options
  for (;;) {
    try {
      await probe()
      return
    } catch (error) {
      const crashes = child.crashes()
      const late = Date.now() > deadline
      if (late || crashes.length >= CRASHES_ENOUGH)
        throw new NotReady(
          `${what} ${late ? `is not ready after ${options.withinMs / 1000} s: ${messageOf(error)}` : `does not start (${crashes.at(-1)})`}\n  The end of ${child.logFile}:\n${await endOf(child.logFile)}`,
          { cause: error },
        )
      await sleep(options.everyMs ?? 50)
    }
  }
}

const endOf = async (file: string): Promise<string> => {
  const text = await readFile(file, 'utf8').catch(() => '')
  return text
    .trimEnd()
    .split('\n')
    .slice(-LOG_LINES)
    .map((line) => `    ${line.slice(0, 300)}`)
    .join('\n')
}

const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error)
