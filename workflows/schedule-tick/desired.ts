/** What a power schedule wants at a moment: the latest line that has come decides. Not for workflow code. */
import { Cron } from 'croner'
import type { PowerSchedule } from '../compute/contract.ts'
import { DormouseError } from '../errors.ts'

/** `undefined`: no line of the schedule ever came. On a tie the compute is wanted up. */
export const desiredPower = (
  schedule: PowerSchedule,
  at: Date,
): 'running' | 'hibernated' | undefined => {
  const wake = latest(schedule.wake, schedule.timezone, at)
  const hibernate = latest(schedule.hibernate, schedule.timezone, at)
  if (wake === undefined && hibernate === undefined) return undefined
  return (wake ?? 0) >= (hibernate ?? 0) ? 'running' : 'hibernated'
}

/** Throws Invalid, naming the line or zone; five fields of cron each. */
export const checkSchedule = (schedule: PowerSchedule): void => {
  for (const line of [...schedule.wake, ...schedule.hibernate]) {
    if (line.trim().split(/\s+/).length !== 5)
      throw new DormouseError('Invalid', `"${line}" is not a cron line of five fields`)
    try {
      new Cron(line, { timezone: schedule.timezone, paused: true }).nextRun()
    } catch (cause) {
      throw new DormouseError(
        'Invalid',
        `"${line}" in zone "${schedule.timezone}" is not a schedule: ${(cause as Error).message}`,
        {},
        cause,
      )
    }
  }
}

const latest = (lines: readonly string[], timezone: string, at: Date): number | undefined => {
  // A line that comes at `at` itself has come; the library looks strictly before.
  const justAfter = new Date(Math.floor(at.getTime() / 1000) * 1000 + 1000)
  const times = lines.flatMap((line) =>
    new Cron(line, { timezone, paused: true })
      .previousRuns(1, justAfter)
      .map((run) => run.getTime()),
  )
  return times.length === 0 ? undefined : Math.max(...times)
}
