/** One restore, two attempts: one was given up for dead and goes on all the same. Nobody meets a half tree. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findCompute } from '../records/computes.ts'
import { latch } from '../test/support/latch.ts'
import { createRestore, type RestoreDeps } from './restore.ts'
import { cause, startGround, type Ground } from './testing/ground.ts'

const signal = new AbortController().signal

let ground: Ground
beforeAll(async () => {
  ground = await startGround()
})
afterAll(() => ground.end())

/** Asleep with a head of two parts, and started again: it waits for its files. */
const waking = async () => {
  const first = await ground.started()
  const run = (command: string) => ground.run(first.computeId, command)
  await run('echo older > ~/file; head -c 20000000 /dev/urandom > ~/big; sleep 0.2')
  await ground.data.save({ ...first, mode: 'checkpoint', cause })
  await run('echo newer > ~/file; echo more > ~/more')
  await ground.data.save({ ...first, mode: 'hibernate', cause })
  const target = { ...first, generation: 2 }
  const { snapshotId } = await ground.control.provision({ ...target, as: 'waking', cause })
  const restore = (deps: Partial<RestoreDeps> = {}) =>
    createRestore({ ...ground.deps, ...deps })({ ...target, snapshotId, cause }, signal)
  const isWhole = async () => {
    expect(await run('cat ~/file ~/more; stat -c %s ~/big')).toBe('newer\nmore\n20000000\n')
    expect((await findCompute(ground.db, first.computeId))?.state).toBe('running')
  }
  return { restore, isWhole }
}

describe('of two attempts of one restore', () => {
  it('a late one cannot empty what the other has made whole', async () => {
    const { restore, isWhole } = await waking()
    const [arrived, gate] = [latch(), latch()]
    const late = restore({
      store: {
        ...ground.store,
        async get(...args) {
          arrived.open()
          await gate.opened
          return ground.store.get(...args)
        },
      },
    })
    const lateEnd = late.catch((error: unknown) => error)
    await arrived.opened
    await restore({
      runtime: {
        async markTreeComplete(ref) {
          gate.open()
          await lateEnd
          await ground.runtime.markTreeComplete(ref)
        },
      },
    })
    expect(await lateEnd).toMatchObject({ message: expect.stringContaining('whole already') })
    await isWhole()
  })

  it('a late one cannot call whole what the other has begun anew', async () => {
    const { restore, isWhole } = await waking()
    const [arrived, gate, begun, ended] = [latch(), latch(), latch(), latch()]
    const { sidekick } = ground
    const late = restore({
      sidekick: {
        ...sidekick,
        async restored(...args) {
          arrived.open()
          await gate.opened
          return sidekick.restored(...args)
        },
      },
    }).finally(ended.open)
    const lateEnd = late.catch((error: unknown) => error)
    await arrived.opened
    const second = restore({
      sidekick: {
        ...sidekick,
        async restorePart(endpoint, target, part, partSignal) {
          if (part.index === 1) {
            begun.open()
            await ended.opened
          }
          return sidekick.restorePart(endpoint, target, part, partSignal)
        },
      },
    })
    await begun.opened
    gate.open()
    expect(await lateEnd).toMatchObject({ message: expect.stringContaining('feed its parts') })
    await second
    await isWhole()
  })

  it('one goes on from where the other left the tree whole', async () => {
    const { restore, isWhole } = await waking()
    const { sidekick } = ground
    const dies = { ...sidekick, open: () => Promise.reject(new Error('the worker died')) }
    await expect(restore({ sidekick: dies })).rejects.toThrow('the worker died')
    let fed = 0
    await restore({
      sidekick: {
        ...sidekick,
        restorePart: (...args) => ((fed += 1), sidekick.restorePart(...args)),
      },
    })
    expect(fed).toBe(0)
    await isWhole()
  })
})
