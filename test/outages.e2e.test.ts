import { describe } from 'vitest'
import { outages } from './promises/outages.ts'

describe('outages and operators, at short parameters', () => {
  outages({ storeAwayMs: 10_000, cutUploads: 2, temporalKills: 2 })
})
