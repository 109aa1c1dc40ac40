import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'

/** Says what was waited for, why it did not come, and the end of its log. */
export class NotReady extends Error {
  override readonly name = 'NotReady'
}

const EVERY_MS = 100
const LOG_LINES = 12

export interface Waiting {
  readonly withinMs: number
  readonly everyMs?: number
  readonly logFile?: string
  /** Why there is nothing left to wait for. */
  readonly ended?: () => string | undefined
}

/** Polls `probe` until it resolves; NotReady when the time is over or what it asks has ended. */
export const waitUntil = async (
  what: string,
  probe: () => Promise<unknown>,
  { withinMs, everyMs = EVERY_MS, logFile, ended }: Waiting,
): Promise<void> => {
  const deadline = Date.now() + withinMs
  for (;;) {
    try {
      await probe()
      return
    } catch (error) {
      const end = ended?.()
      const late = `not after ${withinMs / 1000} s: ${error instanceof Error ? error.message : String(error)}`
      if (end === undefined && Date.now() < deadline) await sleep(everyMs)
      else
        throw new NotReady(`${what} is not ready: ${end ?? late}${await endOf(logFile)}`, {
          cause: error,
        })
    }
  }
}

const endOf = async (file: string | undefined): Promise<string> => {
  if (file === undefined) return ''
  const text = await readFile(file, 'utf8').catch(() => '')
  const lines = text.trimEnd().split('\n').slice(-LOG_LINES)
  return `\n  The end of ${file}:\n${lines.map((line) => `    ${line.slice(0, 300)}`).join('\n')}`
}
