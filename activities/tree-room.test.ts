import { describe, expect, it } from 'vitest'
import type { ManifestPart } from '../records/manifest.ts'
import { treeRoom } from './tree-room.ts'

const GIB = 2 ** 30
const part = (contentBytes: number | undefined, sizeBytes = 1): ManifestPart => ({
  ...{ kind: 'full', key: 'k', sha256: 's', saveId: 'i', sizeBytes },
  ...(contentBytes === undefined ? {} : { contentBytes }),
})

const tier = (maxBytes: number) => ({ maxBytes, maxEntries: 1_000_000 })

describe('the disk of a compute', () => {
  it('is as large as its tier, for a new tree and for one that fits well', () => {
    expect(treeRoom(tier(10 * GIB), undefined)).toBe(10 * GIB)
    expect(treeRoom(tier(10 * GIB), { parts: [part(GIB)], entries: 1_000 })).toBe(10 * GIB)
  })

  it('is larger where the last one was full: what was saved finds room again', () => {
    const room = treeRoom(tier(10 * GIB), { parts: [part(9.7 * GIB)], entries: 100 })
    expect(room).toBeGreaterThan(10 * GIB)
    expect(room).toBeLessThan(10.5 * GIB)
  })

  it('counts every part whole, and a block for every entry', () => {
    const parts = [part(6 * GIB), part(3 * GIB)]
    expect(treeRoom(tier(8 * GIB), { parts, entries: 2 ** 18 })).toBe(10 * GIB * (1 + 1 / 16))
  })

  it('takes a part of an older version for what it holds compressed', () => {
    expect(treeRoom(tier(10 * GIB), { parts: [part(undefined, 16 * GIB)], entries: 0 })).toBe(
      17 * GIB,
    )
  })

  it('is never much larger than the tier, whatever a sidekick counted', () => {
    const cap = 10 * GIB
    const most = (2 * cap + 1_000_000 * 4096) * (1 + 1 / 16)
    const claims = [
      { parts: [part(2 ** 50)], entries: 1e12 },
      { parts: [part(Infinity)], entries: 1 },
      { parts: [part(1)], entries: Number.NaN },
      { parts: [part(-(2 ** 50))], entries: -1 },
    ]
    for (const claim of claims) {
      const room = treeRoom(tier(cap), claim)
      expect(room).toBeGreaterThanOrEqual(cap)
      expect(room).toBeLessThanOrEqual(most)
    }
  })
})
