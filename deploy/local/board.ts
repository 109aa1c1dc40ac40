/** What a person sees while the stack comes up: one moving line on a terminal, plain lines elsewhere. */
import ora from 'ora'
import type { Say } from './parts/part.ts'

export interface Board {
  /** A line that stays. */
  note(text: string): void
  /** Shows `name` as busy until the work ends, then how long it took. */
  during<T>(name: string, work: (say: Say) => Promise<T>): Promise<T>
  close(): void
}

const PLAIN_LINE_EVERY_MS = 5_000

export const openBoard = (out: NodeJS.WriteStream = process.stderr): Board => {
  const busy = new Map<string, string>()
  // A terminal that tells no width (0 columns) makes the spinner count endless lines.
  const moving = out.isTTY === true && out.columns > 20 && process.env['CI'] === undefined
  // Ctrl-C is ours to answer: discardStdin would swallow it.
  const spinner = moving ? ora({ stream: out, discardStdin: false }) : undefined
  const line = (text: string): void => {
    if (spinner === undefined) return void out.write(`${text}\n`)
    spinner.stop()
    out.write(`${text}\n`)
    redraw()
  }
  const redraw = (): void => {
    if (spinner === undefined) return
    if (busy.size === 0) return void spinner.stop()
    const parts = [...busy].map(([name, text]) => (text === '' ? name : `${name}: ${text}`))
    spinner.text = parts.join('  ·  ').slice(0, out.columns - 4)
    if (!spinner.isSpinning) spinner.start()
  }
  return {
    note: line,
    async during(name, work) {
      const startedAt = Date.now()
      let lastPlainAt = 0
      busy.set(name, '')
      redraw()
      const say: Say = (text) => {
        busy.set(name, text)
        redraw()
        if (moving || Date.now() - lastPlainAt < PLAIN_LINE_EVERY_MS) return
        lastPlainAt = Date.now()
        line(`  … ${name}: ${text}`)
      }
      try {
        const result = await work(say)
        busy.delete(name)
        line(`  ✔ ${name} (${((Date.now() - startedAt) / 1000).toFixed(1)} s)`)
        return result
      } catch (error) {
        busy.delete(name)
        line(`  ✖ ${name}`)
        throw error
      }
    },
    close: () => void spinner?.stop(),
  }
}
