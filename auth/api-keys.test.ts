import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { mintApiKey, parseApiKey, sameSecret } from './api-keys.ts'

describe('an API key', () => {
  it('is read back to its id and the hash of its secret', () => {
    const key = mintApiKey()
    const parsed = parseApiKey(key.text)
    expect(parsed?.id).toBe(key.id)
    expect(sameSecret(key.secretSha256, parsed!.secretSha256)).toBe(true)
  })

  it('carries 256 random bits that differ every time', () => {
    const texts = new Set(Array.from({ length: 1000 }, () => mintApiKey().text))
    expect(texts.size).toBe(1000)
    expect(mintApiKey().text).toMatch(/^dmk_[a-z0-9]{20}_[0-9A-Za-z]{49}$/)
  })

  it('with any one letter changed fails its checksum', () => {
    const { text } = mintApiKey()
    fc.assert(
      fc.property(
        fc.integer({ min: 25, max: text.length - 1 }),
        fc.constantFrom(...'0123456789abcXYZ'),
        (place, letter) => {
          const changed = text.slice(0, place) + letter + text.slice(place + 1)
          return changed === text || parseApiKey(changed) === undefined
        },
      ),
    )
  })

  it('is nothing at all when it is any other text', () => {
    fc.assert(fc.property(fc.string(), (text) => parseApiKey(`dmk_${text}`) === undefined))
  })
})
