import { describe } from 'vitest'
import { mainJob } from './promises/main-line.ts'
import { startStack } from './support/stack.ts'

describe('the main job', () => {
  mainJob(() => startStack())
})
