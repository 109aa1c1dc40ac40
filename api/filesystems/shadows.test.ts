import { describe, expect, it } from 'vitest'
import { createShadows } from './shadows.ts'

describe('what is remembered for an export', () => {
  it('is bounded, and says what to do instead', () => {
    const shadows = createShadows(1024 * 1024)
    const fill = () => {
      for (let n = 0; n < 5_000; n += 1) shadows.remove(`home/${n}${'x'.repeat(250)}`, 1)
    }
    expect(fill).toThrow(expect.objectContaining({ name: 'FilesystemTooLarge' }))
    expect(fill).toThrow(/restore it into a compute/)
  })

  it('holds no path that no file system has', () => {
    const shadows = createShadows()
    const path = 'a/'.repeat(10_000)
    for (const use of [() => shadows.remove(path, 1), () => shadows.hides(path, 0)])
      expect(use).toThrow(expect.objectContaining({ name: 'SnapshotCorrupt' }))
  })
})
