/** A worker that is held up between the upload and the publication of what it saved, and comes too late. */
import { loadSigningKeys } from '../../auth/keys.ts'
import { createKubernetesRuntime } from '../../activities/adapters/kubernetes/runtime.ts'
import { createS3Store } from '../../activities/adapters/s3/store.ts'
import { createSidekickControl } from '../../activities/adapters/sidekick/control.ts'
import type { SaveOutcome, Target } from '../../activities/contract.ts'
import { createDataActivities } from '../../activities/index.ts'
import { kubernetesRuntimeConfig, signingKey, storeConfig } from '../../config/config.ts'
import type { Db } from '../../records/database.ts'
import type { Stack } from '../support/stack.ts'

export interface HeldUpWorker {
  /** Saves the live tree of that generation, up to where it would be published; resolves there. */
  saveHeldUp(target: Target): Promise<void>
  /** Lets all of them go on; the outcome of each. */
  goOn(): Promise<readonly SaveOutcome[]>
  /** The whole of a save, by a worker that is not held up. */
  save(target: Target): Promise<SaveOutcome>
  close(): Promise<void>
}

const cause = { reason: 'user', actor: 'system:checkpoint-timer' } as const

/** With the real activities over the stack's own servers; only its publications wait. */
export const startHeldUpWorker = (stack: Stack): HeldUpWorker => {
  const keys = loadSigningKeys(signingKey(stack.env))
  const sidekick = createSidekickControl(keys)
  const store = createS3Store(storeConfig(stack.env))
  const runtime = createKubernetesRuntime(kubernetesRuntimeConfig(stack.env))
  const { signal } = new AbortController()
  const activitiesOver = (db: Db) =>
    createDataActivities({ db, store, sidekick, runtime, cancellation: () => signal })
  let open: () => void = () => undefined
  const gate = new Promise<void>((resolve) => (open = resolve))
  const outcomes: Promise<SaveOutcome>[] = []
  return {
    async saveHeldUp(target) {
      await new Promise<void>((arrived, failed) => {
        const db = heldUp(stack.db, arrived, gate)
        const outcome = activitiesOver(db).save({ ...target, mode: 'checkpoint', cause })
        outcomes.push(outcome)
        // One that ends before the gate was not held up.
        outcome.then((ended) => failed(new Error(`it ended: ${JSON.stringify(ended)}`)), failed)
      })
    },
    goOn() {
      open()
      return Promise.all(outcomes)
    },
    save: (target) => activitiesOver(stack.db).save({ ...target, mode: 'checkpoint', cause }),
    async close() {
      await sidekick.close()
      store.close()
    },
  }
}

/** A publication is a transaction; everything before it is not. */
const heldUp = (db: Db, arrived: () => void, gate: Promise<void>): Db =>
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
