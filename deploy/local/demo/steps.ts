import { performance } from 'node:perf_hooks'

export interface Step {
  readonly name: string
  readonly ms: number
}

/** The first line that is not true: the demo ends with it. */
export class Untrue extends Error {
  override readonly name = 'Untrue'
}

/** Ends the demo unless `holds`. */
export const claim = (holds: boolean, what: string): void => {
  if (!holds) throw new Untrue(what)
}

/** Runs steps one after the other, printing each with the time it took. */
export const openSteps = () => {
  const steps: Step[] = []
  return {
    steps,
    async step<T>(name: string, work: (say: (detail: string) => void) => Promise<T>): Promise<T> {
      const startedAt = performance.now()
      let detail = ''
      try {
        const result = await work((text) => (detail = text))
        const ms = performance.now() - startedAt
        steps.push({ name, ms })
        process.stdout.write(`  ✔ ${name.padEnd(NAME_WIDTH)} ${seconds(ms)}  ${detail}\n`)
        return result
      } catch (error) {
        process.stdout.write(
          `  ✘ ${name.padEnd(NAME_WIDTH)} ${seconds(performance.now() - startedAt)}\n`,
        )
        throw error
      }
    },
    table(): string {
      const total = steps.reduce((sum, { ms }) => sum + ms, 0)
      const rows = [...steps, { name: 'all of it', ms: total }]
      const rule = `  ${'─'.repeat(NAME_WIDTH + 10)}`
      return [
        rule,
        ...rows.map(({ name, ms }) => `  ${name.padEnd(NAME_WIDTH)} ${seconds(ms)}`),
        rule,
      ].join('\n')
    },
  }
}

const NAME_WIDTH = 46
const seconds = (ms: number): string => `${(ms / 1000).toFixed(2).padStart(7)} s`
