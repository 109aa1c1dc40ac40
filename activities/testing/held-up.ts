import type { Db } from '../../records/database.ts'

/**
 * A database whose transactions wait for the gate, from the one with the number `from` on: a publication
 * is one, nothing before it is.
 */
export const heldUp = (db: Db, arrived: () => void, gate: Promise<void>, from = 1): Db => {
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
