import type { Command } from 'commander'
import type { Compute } from '../sdk/types.ts'
import type { Client } from '../sdk/client.ts'
import { printJson } from './output.ts'
import { resolveCompute } from './resolve.ts'
import { openSession, type GlobalOptions, type Session } from './session.ts'

export interface Context extends Session {
  readonly options: GlobalOptions
  /** The value as JSON with --json, else as `text` shows it. */
  show<T>(value: T, text: (value: T) => void): void
  /** The compute of that name, and a client that reaches its gateway. */
  compute(reference: string): Promise<{ compute: Compute; client: Client }>
}

/** What every command that talks to the platform starts from. */
export const contextOf = async (command: Command): Promise<Context> => {
  const options = command.optsWithGlobals<GlobalOptions>()
  const session = await openSession(options)
  return {
    ...session,
    options,
    show: (value, text) => (options.json ? printJson(value) : text(value)),
    compute: async (reference) => {
      const compute = await resolveCompute(session.client, reference)
      return { compute, client: session.clientFor(compute) }
    },
  }
}
