import { describe } from 'vitest'
import { figure } from './figures.ts'
import { outages } from './promises/outages.ts'

describe('outages and operators, at the catalogue’s figures', () => {
  outages({
    storeAwayMs: figure(600_000, 60_000),
    cutUploads: figure(20, 6),
    temporalKills: figure(20, 5),
  })
})
