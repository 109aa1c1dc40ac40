import ora, { type Ora } from 'ora'
import type { Client } from '../sdk/client.ts'
import { pause } from '../sdk/server-events.ts'
import { RESTING, type Compute, type ComputeState } from '../sdk/types.ts'
import { CliError, EXIT } from './exit-codes.ts'
import { harmless, shown } from './output.ts'

/** One request waits at most this long; then the compute is looked at again. */
export const WAIT_S = 30
export const LOOK_EVERY_MS = 500

/** Shows a spinner on a terminal, and nothing anywhere else. */
export const withSpinner = async <T>(
  text: string,
  work: (spinner: Ora) => Promise<T>,
): Promise<T> => {
  const spinner = ora({
    text: harmless(text),
    stream: process.stderr,
    // A terminal of no width, as `ssh -tt` from a job makes, would be cleared for ever.
    isSilent: !process.stderr.isTTY || process.stderr.columns === 0,
  }).start()
  try {
    return await work(spinner)
  } finally {
    spinner.stop()
  }
}

/** Asks, and asks the same again, until it is done: every command may be repeated. */
export const untilDone = async (
  ask: () => Promise<Compute>,
  wanted: ComputeState,
  spinner: Ora,
): Promise<Compute> => {
  for (;;) {
    const answer = await ask()
    if (answer.settled !== false) return expected(answer, wanted)
    spinner.text = progress(answer)
    await pause(LOOK_EVERY_MS)
  }
}

/**
 * Waits, asking for nothing, until the compute rests in `wanted`. Resting anywhere else is an error that carries the
 * compute's own words.
 */
export const settled = async (
  client: Client,
  compute: Compute,
  wanted: ComputeState,
  spinner?: Ora,
): Promise<Compute> => {
  let current = compute
  while (!RESTING.includes(current.state)) {
    if (spinner) spinner.text = progress(current)
    await pause(LOOK_EVERY_MS)
    current = await client.computes.get(current.id)
  }
  return expected(current, wanted)
}

const progress = ({ name, state, problem }: Compute): string =>
  `${shown(name)} is ${state}${problem === null ? '' : `; so far: ${shown(problem.message)}`}`

const expected = (current: Compute, wanted: ComputeState): Compute => {
  const name = shown(current.name)
  if (current.state !== wanted)
    throw new CliError(
      EXIT.conflict,
      `${name} is ${current.state}, not ${wanted}: ${current.problem?.message ?? current.reason}`,
      current.state === 'failed'
        ? `Try again with \`dormouse retry ${name}\`, or delete it with \`dormouse rm ${name}\`.`
        : `See what happened with \`dormouse logs ${name}\`.`,
    )
  return current
}
