import { describe } from 'vitest'
import { mainJob } from './promises/main-line.ts'
import { clusterSite } from './support/cluster-site.ts'
import { startStack } from './support/stack.ts'

describe('the main job, with computes as pods', () => {
  mainJob(() => startStack({ site: clusterSite }))
})
