import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'

export class NotReady extends Error {
  override readonly name = 'NotReady'
}

const EVERY_MS = 100
const LOG_LINES = 8

/** Polls until `probe` resolves; else NotReady, with the reason and the end of `logFile`. */
export const until = async (
  what: string,
  probe: () => Promise<unknown>,
  options: { readonly withinMs: number; readonly logFile?: string; readonly alive?: () => boolean },
): Promise<void> => {
  const deadline = Date.now() + options.withinMs
  for (;;) {
    try {
      await probe()
      return
    } catch (error) {
      const ended = options.alive?.() === false
      if (!ended && Date.now() < deadline) {
        await sleep(EVERY_MS)
        continue
      }
      const why = ended
        ? 'its process has ended'
        : `not after ${options.withinMs / 1000} s: ${error instanceof Error ? error.message : String(error)}`
      throw new NotReady(`${what} is not ready: ${why}${await endOf(options.logFile)}`, {
        cause: error,
      })
    }
  }
}

const endOf = async (logFile: string | undefined): Promise<string> => {
  if (logFile === undefined) return ''
  const text = await readFile(logFile, 'utf8').catch(() => '')
  const lines = text.trimEnd().split('\n').slice(-LOG_LINES)
  return `\n  The end of ${logFile}:\n${lines.map((line) => `    ${line.slice(0, 300)}`).join('\n')}`
}
