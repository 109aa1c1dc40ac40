/** Workers that publish too late, or at the same time as another. */
import { inspect } from 'node:util'
import { loadSigningKeys } from '../../auth/keys.ts'
import { createKubernetesRuntime } from '../../activities/adapters/kubernetes/runtime.ts'
import { createS3Store } from '../../activities/adapters/s3/store.ts'
import { createSidekickControl } from '../../activities/adapters/sidekick/control.ts'
import type { SaveOutcome, Target } from '../../activities/contract.ts'
import { createDataActivities } from '../../activities/index.ts'
import { startHeldUp } from '../../activities/testing/held-up.ts'
import { signingKey, storeConfig } from '../../config/config.ts'
import { kubernetesRuntimeConfig } from '../../config/kubernetes.ts'
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
  const held: (() => Promise<SaveOutcome>)[] = []
  return {
    async saveHeldUp(target) {
      const save = (db: Db) => activitiesOver(db).save({ ...target, mode: 'checkpoint', cause })
      held.push(await startHeldUp(stack.db, save))
    },
    goOn: () => Promise.all(held.map((goOn) => goOn())),
    save: (target) => activitiesOver(stack.db).save({ ...target, mode: 'checkpoint', cause }),
    async close() {
      await sidekick.close()
      store.close()
    },
  }
}

/**
 * Two live workers save one sandbox at the same time, `rounds` times, each time after a new write. One may end
 * the other's archive, but one comes through, and none makes a fork. How the saves ended is returned.
 */
export const raceToPublish = async (
  workers: readonly [HeldUpWorker, HeldUpWorker],
  target: Target,
  { rounds, write }: { readonly rounds: number; write(round: number): Promise<unknown> },
): Promise<Readonly<Record<string, number>>> => {
  const counts: Record<string, number> = {}
  for (let round = 0; round < rounds; round++) {
    await write(round)
    const both = await Promise.allSettled(workers.map((worker) => worker.save(target)))
    const kinds = both.map((one) => (one.status === 'fulfilled' ? one.value.kind : 'gave way'))
    for (const kind of kinds) counts[kind] = (counts[kind] ?? 0) + 1
    if (!kinds.includes('published') || kinds.includes('forked'))
      throw new Error(`round ${round} ended ${kinds.join(' and ')}: ${inspect(both)}`)
  }
  return counts
}
