import { PassThrough } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { describe, expect, it } from 'vitest'
import { DormouseError } from '../workflows/errors.ts'
import { endWithSandbox, namingTheEnd } from './end-with-sandbox.ts'
import type { SidekickControl } from './ports.ts'

const EVERY_MS = 5
const target = { computeId: 'c', generation: 1 }
const endpoint = { address: { kind: 'tcp', host: 'h', port: 1 }, fingerprint: 'f' } as const
const request = { saveId: 's', baseSaveId: null, trees: ['home'] } as const
const never = () => new AbortController().signal

/** A peer that says nothing more: the connection stays open for ever, unless it is aborted. */
const silent = (): { sidekick: SidekickControl; stream: PassThrough } => {
  const stream = new PassThrough()
  const untilAborted = (signal: AbortSignal) =>
    new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error))
    })
  const sidekick = {
    archive: async () => ({ kind: 'full', stream, summary: () => untilAborted(never()) }),
    restorePart: (_e: unknown, _t: unknown, _p: unknown, signal: AbortSignal) =>
      untilAborted(signal),
    restored: () => untilAborted(never()),
  } as unknown as SidekickControl
  return { sidekick, stream }
}

const part = () => ({ index: 0, count: 1, stream: new PassThrough() })
const gone = { name: 'SandboxGone' }

describe('what goes on with a sandbox that dies without a word', () => {
  it('ends: an archive, a part that is fed, a tree that is checked', async () => {
    const { sidekick } = silent()
    const ending = endWithSandbox(sidekick, { inspect: async () => 'gone' }, EVERY_MS)
    const opened = await ending.archive(endpoint, target, request, never())
    await expect(pipeline(opened.stream, new PassThrough().resume())).rejects.toMatchObject(gone)
    await expect(ending.restorePart(endpoint, target, part(), never())).rejects.toMatchObject(gone)
    await expect(ending.restored(endpoint, target, null)).rejects.toMatchObject(gone)
  })

  it('goes on while the sandbox lives, or nobody can say', async () => {
    const { sidekick, stream } = silent()
    let asked = 0
    const inspect = async () => {
      asked += 1
      if (asked % 2 === 0) throw new Error('the API does not answer')
      return 'live' as const
    }
    const ending = endWithSandbox(sidekick, { inspect }, EVERY_MS)
    const opened = await ending.archive(endpoint, target, request, never())
    const read = pipeline(opened.stream, new PassThrough().resume())
    await expect.poll(() => asked).toBeGreaterThan(4)
    stream.end()
    await read
    const askedInAll = asked
    await new Promise((resolve) => setTimeout(resolve, 5 * EVERY_MS))
    expect(asked, 'nobody asks after the end').toBeLessThanOrEqual(askedInAll + 1)
  })

  it('is retired once it is gone, and only then', async () => {
    const refuses = { retire: () => Promise.reject(new Error('no answer')) }
    const sidekick = refuses as unknown as SidekickControl
    const of = (state: 'gone' | 'live') => endWithSandbox(sidekick, { inspect: async () => state })
    const lasting = (ms: number) => ({ ordinal: 1, untilMs: performance.now() + ms })
    await expect(of('gone').retire(endpoint, target, lasting(1_000))).resolves.toBeUndefined()
    await expect(of('live').retire(endpoint, target, lasting(1_000))).rejects.toThrow('no answer')
    // It may have been written to between the end of the freeze and its own.
    await expect(of('gone').retire(endpoint, target, lasting(-1))).rejects.toMatchObject(gone)
  })

  it('is told apart from a sidekick that does not answer', async () => {
    const unanswered = () => Promise.reject(new DormouseError('SidekickUnreachable', 'no answer'))
    const other = () => Promise.reject(new DormouseError('SaveFailed', 'no'))
    const whenGone = { inspect: async () => 'gone' as const }
    await expect(namingTheEnd(whenGone, target, unanswered)).rejects.toMatchObject(gone)
    await expect(namingTheEnd(whenGone, target, other)).rejects.toThrow('no')
    const whenUp = { inspect: async () => 'live' as const }
    await expect(namingTheEnd(whenUp, target, unanswered)).rejects.toThrow('no answer')
  })

  it('ends when its caller gives up, as before', async () => {
    const { sidekick } = silent()
    const ending = endWithSandbox(sidekick, { inspect: async () => 'live' }, EVERY_MS)
    const given = new AbortController()
    const fed = ending.restorePart(endpoint, target, part(), given.signal)
    given.abort(new Error('enough'))
    await expect(fed).rejects.toThrow('enough')
  })
})
