import { SIDEKICK_ERRORS, type SidekickError, type SidekickErrorCode } from './protocol.ts'

/** A failure with a name of the protocol; the server answers it as SidekickError JSON. */
export class Failure extends Error {
  readonly code: SidekickErrorCode
  readonly details: Readonly<Record<string, unknown>> | undefined
  constructor(code: SidekickErrorCode, message: string, details?: Record<string, unknown>) {
    super(message)
    this.code = code
    this.details = details
  }
  get status(): number {
    return SIDEKICK_ERRORS[this.code]
  }
  toJSON(): SidekickError {
    return {
      code: this.code,
      message: this.message,
      ...(this.details && { details: this.details }),
    }
  }
}

/** Anything thrown, as an answer that tells the caller nothing about our insides. */
export const toFailure = (error: unknown): Failure => {
  if (error instanceof Failure) return error
  const named = typeof error === 'object' && error !== null && SYSTEM[errno(error)]
  if (named) return new Failure(named[0], named[1])
  return new Failure(
    'internal',
    'The sidekick failed on this request; its log says why. Try again.',
  )
}

/** The errno name (`ENOENT`) of a Node system error, or ''. */
export const errno = (error: unknown): string => {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' ? code : ''
}

const SYSTEM: Readonly<Record<string, readonly [SidekickErrorCode, string] | undefined>> = {
  ENOENT: ['not_found', 'No such file or folder.'],
  ENOTDIR: ['invalid', 'A part of the path is not a folder.'],
  EISDIR: ['invalid', 'The path is a folder; name a file.'],
  EEXIST: ['exists', 'Something of that name is already there.'],
  ENOTEMPTY: ['exists', 'The folder is not empty; pass recursive=1 to remove it with its content.'],
  EACCES: ['forbidden', 'The file system forbids this; check owner and mode.'],
  EPERM: ['forbidden', 'The file system forbids this; check owner and mode.'],
  EROFS: ['forbidden', 'This part of the compute is read-only.'],
  ENAMETOOLONG: ['invalid', 'A name is over 255 bytes or the path is over 4096.'],
  ELOOP: ['invalid', 'Too many symbolic links in the path.'],
  ENOSPC: ['no_space', 'The disk of the compute is full; remove something and try again.'],
  EDQUOT: ['no_space', 'The disk quota of the compute is used up; remove something and try again.'],
  EFBIG: ['no_space', 'The file is larger than the compute allows.'],
  EMFILE: ['no_space', 'Too many files are open in the sidekick; try again in a moment.'],
}
