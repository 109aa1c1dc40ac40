import { hash, verify } from '@node-rs/argon2'
import { DormouseError } from '../workflows/errors.ts'

/** OWASP's floor for argon2id: 19 MiB, two passes. */
const OPTIONS = {
  /** Algorithm.Argon2id, an ambient const enum that isolated modules cannot read. */
  algorithm: 2,
  memoryCost: 19_456,
  timeCost: 2,
  parallelism: 1,
} as const
const PASSWORD_MIN_LENGTH = 10
const PASSWORD_MAX_LENGTH = 256
/** Hashing at once: each takes 19 MiB, so a burst of logins waits in line rather than in memory. */
const CONCURRENCY = 4
const MAX_WAITING = 200

/** PHC string. Errors: Invalid when too short or too long. */
export const hashPassword = async (password: string): Promise<string> => {
  if (password.length < PASSWORD_MIN_LENGTH || password.length > PASSWORD_MAX_LENGTH)
    throw new DormouseError(
      'Invalid',
      `a password has ${PASSWORD_MIN_LENGTH} to ${PASSWORD_MAX_LENGTH} characters`,
      { field: 'password' },
    )
  return inLine(() => hash(password, OPTIONS))
}

/** Takes as long for an unknown user (`stored` undefined) as for a wrong password. Errors: RateLimited. */
export const verifyPassword = async (
  stored: string | undefined,
  password: string,
): Promise<boolean> => {
  if (password.length > PASSWORD_MAX_LENGTH) return false
  const matches = await inLine(() => verify(stored ?? NOBODY, password))
  return matches && stored !== undefined
}

/** A hash with the same costs that no password opens. */
const NOBODY =
  '$argon2id$v=19$m=19456,t=2,p=1$ZG9ybW91c2Utbm9ib2R5$' +
  'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'

let running = 0
const waiting: (() => void)[] = []

const inLine = async <T>(work: () => Promise<T>): Promise<T> => {
  if (running >= CONCURRENCY) {
    if (waiting.length >= MAX_WAITING)
      throw new DormouseError('RateLimited', 'too many logins at once; try again in a moment')
    await new Promise<void>((turn) => waiting.push(turn))
  } else running += 1
  try {
    return await work()
  } finally {
    const next = waiting.shift()
    if (next === undefined) running -= 1
    else next()
  }
}
