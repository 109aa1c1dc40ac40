import { constants } from 'node:os'
import { Failure } from './errors.ts'

/** A signal by name (`SIGINT`). Errors: invalid. */
export const signalNamed = (name: string): NodeJS.Signals => {
  if (!Object.hasOwn(constants.signals, name))
    throw new Failure('invalid', `"${name.slice(0, 20)}" is not a signal; send a name like SIGINT.`)
  return name as NodeJS.Signals
}

/** Signals a process group; one that has ended is fine. */
export const signalGroup = (groupId: number, signal: NodeJS.Signals): void => {
  // 0 and 1 would mean our own group and everything we may signal.
  if (!Number.isInteger(groupId) || groupId <= 1) return
  try {
    process.kill(-groupId, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
