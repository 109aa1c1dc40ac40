import { afterAll, beforeAll, describe, it } from 'vitest'
import {
  keepsAcknowledgedWrites,
  keepsEveryFile,
  survivesKilledSaves,
} from './promises/fidelity.ts'
import { startStack, type Stack } from './support/stack.ts'
import { visit, type Visitor } from './support/visitor.ts'

describe('files, at the catalogue’s figures', () => {
  let stack: Stack
  let visitor: Visitor
  beforeAll(async () => {
    stack = await startStack()
    visitor = await visit(stack)
  })
  afterAll(() => stack?.stop())

  it('D1: 10 cycles by request, 10,000 small files and 64 MiB, give every file back', () =>
    keepsEveryFile(visitor, { cycles: 10, by: 'request', smallFiles: 10_000, contiguousMib: 64 }))

  it('D2: 10 cycles by the idle timer give every file back', () =>
    keepsEveryFile(visitor, { cycles: 10, by: 'idle timer', smallFiles: 2_000, contiguousMib: 8 }))

  it('D3: 10 hibernations under a writer lose no acknowledged write', () =>
    keepsAcknowledgedWrites(visitor, 10))

  it('D4: 25 kills while 4 computes save: 100 saves at the risk of a kill', async () => {
    const result = await survivesKilledSaves(stack, visitor, {
      kills: 25,
      atOnce: 4,
      smallFiles: 500,
      contiguousMib: 8,
    })
    console.log('D4', result)
  })
})
