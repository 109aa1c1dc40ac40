import { resolve } from 'node:path/posix'
import { Failure } from '../errors.ts'

const LONGEST_PATH_BYTES = 4096
const LONGEST_NAME_BYTES = 255

/**
 * A path as a user gave it (already percent-decoded once), absolute and without `..`. What still
 * looks encoded is refused: someone decoded it too seldom, or hopes that we decode it twice.
 * Errors: invalid.
 */
export const userPath = (given: string, home: string): string => {
  if (given.includes('\0') || /%(2f|5c|2e|00)/i.test(given))
    throw new Failure('invalid', 'The path holds NUL or an encoded separator; encode it just once.')
  if (Buffer.byteLength(given) > LONGEST_PATH_BYTES)
    throw new Failure('invalid', `The path is over ${LONGEST_PATH_BYTES} bytes.`)
  if (given.split('/').some((name) => Buffer.byteLength(name) > LONGEST_NAME_BYTES))
    throw new Failure('invalid', `A name in the path is over ${LONGEST_NAME_BYTES} bytes.`)
  return resolve(home, given)
}
