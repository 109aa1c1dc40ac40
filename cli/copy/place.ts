import path from 'node:path'
import { CliError, EXIT } from '../exit-codes.ts'
import { shown } from '../output.ts'

/** `compute:path`, or a path of this machine. `./a:b` and `/a:b` are of this machine. */
export type Place =
  | { readonly kind: 'local'; readonly path: string }
  | { readonly kind: 'remote'; readonly compute: string; readonly path: string }

export const parsePlace = (text: string): Place => {
  const [, compute, remote] = /^([^/.:][^/:]*):(.*)$/s.exec(text) ?? []
  return compute === undefined
    ? { kind: 'local', path: text }
    : { kind: 'remote', compute, path: remote === '' ? HOME : (remote ?? HOME) }
}

const HOME = '/home/user'

/** Where a copy of `source` goes: into a folder that is there or is spelled as one, else to that name. */
export const targetOf = (
  source: string,
  target: string,
  isFolder: boolean,
  join: (...parts: string[]) => string = path.posix.join,
): string => {
  const name = path.posix.basename(path.posix.normalize(source).replace(/\/$/, ''))
  const named = name !== '' && name !== '.' && name !== '..'
  return (isFolder || target.endsWith('/')) && named ? join(target, name) : target
}

/** An entry's place below `root`; refuses names that lead out of it, since a compute may say anything. */
export const confined = (root: string, name: string): string => {
  const place = path.resolve(root, name)
  if (path.isAbsolute(name) || (place !== root && !place.startsWith(root + path.sep)))
    throw new CliError(EXIT.failure, `The compute sent an entry outside the folder: ${shown(name)}`)
  return place
}
