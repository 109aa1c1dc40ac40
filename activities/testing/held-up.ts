import type { Db } from '../../records/database.ts'

/** A database whose transactions wait for the gate: a publication is one, nothing before it is. */
export const heldUp = (db: Db, arrived: () => void, gate: Promise<void>): Db =>
  new Proxy(db, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target)
      if (name === 'transaction')
        return () => ({
          execute: async (work: Parameters<ReturnType<Db['transaction']>['execute']>[0]) => {
            arrived()
            await gate
            return target.transaction().execute(work)
          },
        })
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
