import type { Stack } from '../test/support/stack.ts'
import type { Visitor } from '../test/support/visitor.ts'
import type { Figure } from './figure.ts'

export interface Bench {
  readonly stack: Stack
  readonly visitor: Visitor
  /** Long figures at a tenth of their size, for trying the benchmark itself. */
  readonly quick: boolean
}

export type Measure = (bench: Bench) => Promise<readonly Figure[]>
