import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Fanout, type Reader } from './fanout.ts'

const RING = 256

class Listener implements Reader {
  position = 0
  allowance = 0
  readonly got = new Map<number, number>()
  readonly lost: [number, number][] = []
  hasEnded = false
  room() {
    return this.allowance
  }
  output(offset: number, bytes: Buffer) {
    this.allowance -= bytes.length
    bytes.forEach((byte, index) => this.got.set(offset + index, byte))
  }
  truncated(from: number, to: number) {
    this.lost.push([from, to])
  }
  ended() {
    this.hasEnded = true
  }
}

const turn = () => new Promise((done) => setImmediate(done))
const bytesFrom = (offset: number, size: number) =>
  Buffer.from(Array.from({ length: size }, (_, index) => (offset + index) % 251))

const steps = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('append' as const), size: fc.integer({ min: 1, max: 400 }) }),
    fc.record({
      kind: fc.constant('allow' as const),
      size: fc.integer({ min: 1, max: 300 }),
      who: fc.nat(2),
    }),
  ),
  { maxLength: 40 },
)

describe('a fan-out', () => {
  it('gives every reader each byte once, right, or says that it is gone', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (todo) => {
        const fanout = new Fanout(RING, { pause() {}, resume() {} })
        const readers = [new Listener(), new Listener(), new Listener()]
        for (const reader of readers) fanout.add(reader)
        for (const step of todo) {
          if (step.kind === 'append') fanout.append(bytesFrom(fanout.end, step.size))
          else {
            const reader = readers[step.who]!
            reader.allowance += step.size
            fanout.pump(reader)
          }
          if (fanout.end % 2) await turn()
        }
        fanout.finish()
        for (const reader of readers) {
          reader.allowance = 1e9
          fanout.pump(reader)
          const lost = reader.lost.reduce((sum, [from, to]) => sum + to - from, 0)
          expect(reader.got.size + lost).toBe(fanout.end)
          for (const [offset, byte] of reader.got) expect(byte).toBe(offset % 251)
          expect(reader.hasEnded).toBe(true)
        }
      }),
    )
  })

  it('pauses its source only while every reader is behind', async () => {
    let paused = false
    const fanout = new Fanout(RING, {
      pause: () => (paused = true),
      resume: () => (paused = false),
    })
    fanout.append(Buffer.alloc(1000))
    await turn()
    expect(paused).toBe(false) // nobody reads: it rolls
    const [slow, quick] = [new Listener(), new Listener()]
    slow.position = quick.position = fanout.end
    quick.allowance = 1e9
    fanout.add(slow)
    fanout.add(quick)
    fanout.append(Buffer.alloc(200))
    await turn()
    expect(paused).toBe(false)
    quick.allowance = 0
    fanout.append(Buffer.alloc(200))
    await turn()
    expect(paused).toBe(true)
    fanout.remove(quick)
    expect(paused).toBe(true)
    fanout.remove(slow)
    expect(paused).toBe(false)
  })
})
