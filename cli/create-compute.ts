import { randomUUID } from 'node:crypto'
import type { Ora } from 'ora'
import type { Client } from '../sdk/client.ts'
import type { Compute, NewCompute } from '../sdk/types.ts'
import { shown, styledState } from './output.ts'
import { untilDone, WAIT_S } from './settle.ts'

/** Creates it and, unless `wait` is false, waits until it runs. One key for all attempts: they make one compute. */
export const createCompute = (
  client: Client,
  wanted: NewCompute,
  spinner: Ora,
  wait = true,
): Promise<Compute> => {
  const key = randomUUID()
  const once = (seconds?: number) => client.computes.create(wanted, { wait: seconds, key })
  return wait ? untilDone(() => once(WAIT_S), 'running', spinner) : once()
}

/** How a new compute is told on a terminal. */
export const lineOf = ({ id, name, state }: Compute): string =>
  `${id}  ${shown(name)}  ${styledState(state)}`
