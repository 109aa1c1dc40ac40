import { describe, expect, it } from 'vitest'
import type { Manifest, ManifestPart } from '../records/manifest.ts'
import { deltaBase } from './save-base.ts'

const MIB = 1024 * 1024

const part = (kind: ManifestPart['kind'], saveId: string, sizeBytes = MIB): ManifestPart => ({
  ...{ kind, saveId, sizeBytes },
  ...{ key: saveId, sha256: '' },
})
const headOf = (parts: readonly ManifestPart[], generation = 1) => {
  const manifest: Manifest = {
    ...{ version: 1, format: 'tar+zstd', computeId: 'c', generation, epoch: 1 },
    ...{ imageDigest: 'host', parts, entries: 1, sizeBytes: 1 },
  }
  return { manifest }
}
const writer = (baseSaveId: string | null) => ({ baseSaveId, compute: { generation: 1 } })

describe('a save stands on the head', () => {
  it('when the sidekick knows the head’s last save', () => {
    const head = headOf([part('full', 'one'), part('delta', 'two')])
    expect(deltaBase(head, writer('two'))).toBe('two')
  })

  it.each([
    ['there is none', undefined, 'one'],
    ['the sidekick knows another save', headOf([part('full', 'one')]), 'other'],
    ['the sidekick knows none', headOf([part('full', 'one')]), null],
    ['a later generation wrote it', headOf([part('full', 'one')], 2), 'one'],
  ])('but not when %s', (_when, head, base) => {
    expect(deltaBase(head, writer(base))).toBeNull()
  })

  it('until its parts are twelve', () => {
    const chain = (length: number) =>
      headOf([part('full', '1'), ...Array.from({ length }, (_, n) => part('delta', `${n + 2}`))])
    expect(deltaBase(chain(10), writer('11'))).toBe('11')
    expect(deltaBase(chain(11), writer('12'))).toBeNull()
  })

  it('until its deltas are half of the whole, and no longer small', () => {
    const head = (fullMib: number, deltaMib: number) =>
      headOf([part('full', 'one', fullMib * MIB), part('delta', 'two', deltaMib * MIB)])
    expect(deltaBase(head(100, 50), writer('two'))).toBe('two')
    expect(deltaBase(head(100, 51), writer('two'))).toBeNull()
    expect(deltaBase(head(1, 16), writer('two'))).toBe('two')
    expect(deltaBase(head(1, 17), writer('two'))).toBeNull()
  })
})
