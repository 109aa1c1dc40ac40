import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Ring } from './ring.ts'

const pieces = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 60 })

describe('a ring', () => {
  it('holds exactly the last bytes of what was appended, at their offsets', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 500 }), pieces, (size, appended) => {
        const ring = new Ring(size)
        let all = Buffer.alloc(0)
        for (const piece of appended) {
          ring.append(piece)
          all = Buffer.concat([all, piece])
          expect(ring.end).toBe(all.length)
          expect(ring.earliest).toBe(Math.max(0, all.length - size))
          expect(ring.read(ring.earliest, size).equals(all.subarray(ring.earliest))).toBe(true)
        }
      }),
    )
  })

  it('keeps all of it while it grows to its size', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 20_000 }), { maxLength: 12 }), (sizes) => {
        const ring = new Ring(100_000)
        let all = Buffer.alloc(0)
        for (const [index, size] of sizes.entries()) {
          const piece = Buffer.alloc(size, index + 1)
          ring.append(piece)
          all = Buffer.concat([all, piece])
        }
        const kept = all.subarray(Math.max(0, all.length - 100_000))
        expect(ring.read(ring.earliest, 1e6).equals(kept)).toBe(true)
      }),
    )
  })

  it('gives any piece between its ends and throws outside', () => {
    fc.assert(
      fc.property(pieces, fc.nat(600), fc.nat(200), (appended, offset, most) => {
        const ring = new Ring(256)
        const all = Buffer.concat(appended)
        for (const piece of appended) ring.append(piece)
        const inside = offset >= ring.earliest && offset <= ring.end
        const read = () => ring.read(offset, most).toString('hex')
        const expected = all.subarray(offset, offset + most).toString('hex')
        expect(outcome(read)).toBe(inside ? expected : 'RangeError')
      }),
    )
  })
})

const outcome = (read: () => string): string => {
  try {
    return read()
  } catch (error) {
    return (error as Error).name
  }
}
