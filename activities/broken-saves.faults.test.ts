import { pipeline, Transform, type Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findFilesystem } from '../records/filesystems.ts'
import { findCompute } from '../records/computes.ts'
import { latch } from '../test/support/latch.ts'
import { createSave, type SaveDeps } from './save.ts'
import { cause, startGround, type Ground } from './testing/ground.ts'

let ground: Ground
beforeAll(async () => {
  ground = await startGround()
})
afterAll(() => ground.end())

const compute = async (): Promise<string> => {
  const { computeId: id } = await ground.started()
  await ground.run(id, 'head -c 40000000 /dev/urandom > ~/big; echo small > ~/small')
  return id
}
const headOf = async (id: string) => {
  const row = await findCompute(ground.db, id)
  return (await findFilesystem(ground.db, row?.filesystem_id ?? ''))?.head_snapshot_id
}
const stateOf = async (id: string) => {
  const [live] = (await ground.runtime.list()).filter((one) => one.computeId === id)
  if (live === undefined) return 'gone'
  const address = {
    kind: 'unix',
    path: `${ground.stateDir}/computes/${id}/1/run/sidekick.sock`,
  } as const
  return (await ground.sidekick.hello(address, 5_000)).state
}
/** A sidekick whose archive streams go through `change`. */
const streaming = (change: (stream: Readable, nth: number) => Readable): SaveDeps => {
  let nth = 0
  return {
    ...ground.deps,
    sidekick: {
      ...ground.sidekick,
      async archive(...args) {
        const opened = await ground.sidekick.archive(...args)
        nth += 1
        return { ...opened, stream: change(opened.stream, nth) }
      },
    },
  }
}
const failing = (at: number, what: (chunk: Buffer) => Buffer | Error) => (stream: Readable) => {
  let seen = 0
  const broken = stream.pipe(
    new Transform({
      transform(chunk: Buffer, _encoding, done) {
        seen += chunk.length
        const result = seen >= at ? what(chunk) : chunk
        if (result instanceof Error) done(result)
        else done(null, result)
      },
    }),
  )
  // As the adapter's own streams: one that breaks before anybody reads it waits to be read.
  return broken.on('error', () => undefined)
}

/** Streams wait behind their first chunk, so that however quick the machine is, there is a middle. */
const held = () => {
  const [begun, gate] = [latch(), latch()]
  const stream = (source: Readable): Readable => {
    const waiting = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        begun.open()
        void gate.opened.then(() => done(null, chunk))
      },
    })
    return pipeline(source, waiting, () => undefined)
  }
  return { stream, begun: begun.opened, goOn: gate.open }
}

describe('a save that breaks', () => {
  it.each([
    ['cut in the middle', failing(10_000_000, () => new Error('cut'))],
    [
      'altered on the way',
      failing(10_000_000, (chunk) => Buffer.from(chunk.map((byte) => byte ^ 1))),
    ],
    ['ending early', failing(10_000_000, () => Buffer.alloc(0))],
  ])('%s is published by nobody, and the compute goes on', async (_how, change) => {
    const id = await compute()
    const save = createSave(streaming(change))
    for (const mode of ['checkpoint', 'hibernate'] as const)
      await expect(
        save({ computeId: id, generation: 1, mode, cause }, new AbortController().signal),
      ).rejects.toThrow()
    expect(await headOf(id)).toBeNull()
    expect(await stateOf(id)).toBe('open')
    expect(await ground.run(id, 'cat ~/small')).toBe('small\n')
    const good = await ground.data.save({ computeId: id, generation: 1, mode: 'checkpoint', cause })
    expect(good.kind).toBe('published')
  })

  it('cut while it is frozen thaws, and leaves nothing stopped', async () => {
    const id = await compute()
    await ground.run(id, '(while :; do date +%N > ~/tick; sleep 0.05; done) >/dev/null 2>&1 &')
    const save = createSave(
      streaming((stream, nth) => (nth === 1 ? stream : failing(1, () => new Error('cut'))(stream))),
    )
    const input = { computeId: id, generation: 1, mode: 'hibernate', cause } as const
    await expect(save(input, new AbortController().signal)).rejects.toThrow()
    expect(await stateOf(id)).toBe('open')
    const before = await ground.run(id, 'cat ~/tick')
    await sleep(500)
    expect(await ground.run(id, 'cat ~/tick')).not.toBe(before)
  })

  it('cancelled, ends at once and lets the compute go on', async () => {
    const id = await compute()
    const stop = new AbortController()
    const slow = (stream: Readable) =>
      stream.pipe(
        new Transform({
          transform(chunk: Buffer, _encoding, done) {
            setTimeout(() => done(null, chunk), 200)
          },
        }),
      )
    const save = createSave(streaming(slow))
    const input = { computeId: id, generation: 1, mode: 'hibernate', cause } as const
    const saving = save(input, stop.signal)
    saving.catch(() => undefined)
    await sleep(1_000)
    const cancelledAt = performance.now()
    stop.abort(new Error('cancelled'))
    await expect(saving).rejects.toThrow()
    expect(performance.now() - cancelledAt).toBeLessThan(3_000)
    expect(await stateOf(id)).toBe('open')
    expect(await headOf(id)).toBeNull()
  })

  it('of a sandbox that dies in the middle fails within seconds, with the head where it was', async () => {
    const id = await compute()
    const first = await ground.data.save({
      computeId: id,
      generation: 1,
      mode: 'checkpoint',
      cause,
    })
    await ground.run(id, 'head -c 60000000 /dev/urandom > ~/more')
    const { stream, begun, goOn } = held()
    const save = createSave(streaming(stream))
    const input = { computeId: id, generation: 1, mode: 'hibernate', cause } as const
    const saving = save(input, new AbortController().signal)
    saving.catch(() => undefined)
    await begun
    await ground.runtime.stop({ computeId: id, generation: 1 }, { keepTree: true })
    goOn()
    await expect(saving).rejects.toThrow()
    expect(await headOf(id)).toBe(first.kind === 'published' ? first.snapshotId : undefined)
    await ground.control.provision({ computeId: id, generation: 2, as: 'waking', cause })
    expect(await ground.run(id, 'stat -c %s ~/more')).toBe('60000000\n')
  })
})
