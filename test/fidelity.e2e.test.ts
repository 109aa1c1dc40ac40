import { afterAll, beforeAll, describe, it } from 'vitest'
import {
  keepsAcknowledgedWrites,
  keepsEveryFile,
  survivesKilledSaves,
} from './promises/fidelity.ts'
import { startStack, type Stack } from './support/stack.ts'
import { visit, type Visitor } from './support/visitor.ts'

describe('files, at short parameters', () => {
  let stack: Stack
  let visitor: Visitor
  beforeAll(async () => {
    stack = await startStack()
    visitor = await visit(stack)
  })
  afterAll(() => stack?.stop())

  it('D1: 3 cycles by request, 1,000 small files and 8 MiB, give every file back', () =>
    keepsEveryFile(visitor, { cycles: 3, by: 'request', smallFiles: 1_000, contiguousMib: 8 }))

  it('D2: 2 cycles by the idle timer give every file back', () =>
    keepsEveryFile(visitor, { cycles: 2, by: 'idle timer', smallFiles: 500, contiguousMib: 4 }))

  it('D3: 2 hibernations under a writer lose no acknowledged write', () =>
    keepsAcknowledgedWrites(visitor, 2))

  it('D4: 3 kills while 2 computes save', async () => {
    const result = await survivesKilledSaves(stack, visitor, {
      kills: 3,
      atOnce: 2,
      smallFiles: 200,
      contiguousMib: 8,
    })
    console.log('D4', result)
  })
})
