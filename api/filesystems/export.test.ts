import { expect, it } from 'vitest'
import { zstd } from './export.ts'

it('says what to do on a Node that cannot merge a chain', () => {
  expect(() => zstd({})).toThrow(expect.objectContaining({ name: 'Unavailable' }))
  expect(() => zstd({})).toThrow(/run the API on Node 24/)
})
