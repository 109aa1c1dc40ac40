import { Cron } from 'croner'
import type { PowerSchedule } from '../../workflows/compute/contract.ts'
import { DormouseError } from '../../workflows/errors.ts'

const ENV_MAX_BYTES = 256 * 1024

/** What a schema cannot say: zones that exist, cron lines that parse. Errors: Invalid, with the field. */
export const checkSchedule = (schedule: PowerSchedule): PowerSchedule => {
  try {
    new Intl.DateTimeFormat('en', { timeZone: schedule.timezone })
  } catch {
    throw new DormouseError('Invalid', `"${schedule.timezone}" is not an IANA time zone`, {
      field: 'schedule.timezone',
    })
  }
  for (const side of ['hibernate', 'wake'] as const)
    schedule[side].forEach((line, index) => checkCron(line, `schedule.${side}.${index}`))
  return schedule
}

const checkCron = (line: string, field: string): void => {
  const refuse = (why: string): never => {
    throw new DormouseError('Invalid', `"${line}" is not a cron line: ${why}`, { field })
  }
  if (line.trim().split(/\s+/).length !== 5) refuse('five fields, minute first')
  try {
    if (new Cron(line, { paused: true }).nextRun() === null) refuse('it never comes')
  } catch (error) {
    if (error instanceof DormouseError) throw error
    refuse((error as Error).message)
  }
}

export const checkEnv = (env: Readonly<Record<string, string>>): void => {
  const bytes = Object.entries(env).reduce(
    (sum, [name, value]) => sum + Buffer.byteLength(name) + Buffer.byteLength(value),
    0,
  )
  if (bytes > ENV_MAX_BYTES)
    throw new DormouseError('Invalid', `env has ${bytes} bytes; at most ${ENV_MAX_BYTES}`, {
      field: 'env',
    })
  const withNul = Object.entries(env).find(([, value]) => value.includes('\0'))
  if (withNul !== undefined)
    throw new DormouseError('Invalid', `the value of ${withNul[0]} holds a NUL byte`, {
      field: `env.${withNul[0]}`,
    })
}
