import type { Db } from '../../records/database.ts'
import { latch } from '../../test/support/latch.ts'

/**
 * Starts `work` over a database whose transactions wait, from the one with the number `from` on: a
 * publication is one, nothing before it is. Resolves where it waits, with what lets it go on and gives its
 * outcome; rejects when it ends before that.
 */
export const startHeldUp = async <T>(
  db: Db,
  work: (db: Db) => Promise<T>,
  from = 1,
): Promise<() => Promise<T>> => {
  const [arrived, gate] = [latch(), latch()]
  const outcome = work(heldUp(db, arrived.open, gate.opened, from))
  const ended = outcome.then((what) => {
    throw new Error(`it ended: ${JSON.stringify(what)}`)
  })
  await Promise.race([arrived.opened, ended])
  return () => {
    gate.open()
    return outcome
  }
}

const heldUp = (db: Db, arrived: () => void, gate: Promise<void>, from: number): Db => {
  let begun = 0
  return new Proxy(db, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target)
      if (name === 'transaction')
        return () => ({
          execute: async (work: Parameters<ReturnType<Db['transaction']>['execute']>[0]) => {
            begun += 1
            if (begun >= from) {
              arrived()
              await gate
            }
            return target.transaction().execute(work)
          },
        })
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}
