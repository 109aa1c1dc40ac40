/** What every embedded server has in common: it is obtained once, then started under the supervisor. */
import type { Box } from '../box/boxed.ts'
import type { Processes } from '../processes.ts'

/** One short line of what is going on, shown beside the part's name. */
export type Say = (text: string) => void

export interface StartOptions {
  /** Where this server keeps its data; made if missing. */
  readonly dir: string
  readonly processes: Processes
  readonly say?: Say
  /** Keeps the server out of reach of computes; without it every process of this machine reaches it. */
  readonly box?: Box
}

export interface RunningPart {
  /** What the services read to find this server. */
  readonly env: Readonly<Record<string, string>>
  stop(): Promise<void>
}

/** A part that cannot be had on this machine. */
export class PartMissing extends Error {
  override readonly name = 'PartMissing'
  constructor(part: string, why: string, install: string) {
    super(`${part} cannot be had: ${why}\n    ${install}`)
  }
}
