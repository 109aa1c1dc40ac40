import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { closeFrame, FrameBoundary } from './frame-boundary.ts'

const frameOf = (size: number, masked: boolean): Buffer => {
  const header =
    size < 126
      ? Buffer.of(0x82, size)
      : size < 65_536
        ? Buffer.of(0x82, 126, size >> 8, size & 0xff)
        : Buffer.concat([
            Buffer.of(0x82, 127),
            Buffer.alloc(4),
            Buffer.of(0, size >> 16, (size >> 8) & 0xff, size & 0xff),
          ])
  if (masked) header[1] = (header[1] ?? 0) | 0x80
  return Buffer.concat([
    header,
    masked ? Buffer.alloc(4, 9) : Buffer.alloc(0),
    Buffer.alloc(size, 0x81),
  ])
}

describe('the boundary of frames', () => {
  it('is found wherever the bytes are cut', () => {
    const size = fc.oneof(
      fc.integer({ min: 0, max: 130 }),
      fc.constantFrom(125, 126, 127, 65_535, 65_536, 70_000),
    )
    fc.assert(
      fc.property(
        fc.array(fc.tuple(size, fc.boolean()), { minLength: 1, maxLength: 4 }),
        fc.array(fc.nat(80_000)),
        (frames, cuts) => {
          const parts = frames.map(([bytes, masked]) => frameOf(bytes, masked))
          const whole = Buffer.concat(parts)
          const ends = new Set([0])
          parts.reduce((sum, part) => (ends.add(sum + part.length), sum + part.length), 0)
          const boundary = new FrameBoundary()
          let at = 0
          for (const cut of [...cuts.map((each) => each % whole.length), whole.length].sort(
            (a, b) => a - b,
          )) {
            boundary.push(whole.subarray(at, cut))
            at = cut
            expect(boundary.atBoundary).toBe(ends.has(at))
          }
        },
      ),
      { numRuns: 200 },
    )
  })

  it('stops where the frame under way ends, or says that it does not', () => {
    const two = Buffer.concat([frameOf(300, false), frameOf(5, false)])
    const boundary = new FrameBoundary()
    boundary.push(two.subarray(0, 100))
    expect(boundary.pushToBoundary(two.subarray(100, 200))).toBeUndefined()
    expect(boundary.pushToBoundary(two.subarray(200))).toBe(304 - 200)
    expect(boundary.atBoundary).toBe(true)
  })

  it('a close frame holds code and reason', () => {
    expect(closeFrame(1012, 'hi')).toEqual(Buffer.of(0x88, 4, 0x03, 0xf4, 0x68, 0x69))
    expect(closeFrame(1008, 'x'.repeat(500)).length).toBe(2 + 125)
  })
})
