import { afterAll, beforeAll, describe, it } from 'vitest'
import { figure } from './figures.ts'
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

  const cycles = figure(10, 3)
  it(`D1: ${cycles} cycles by request, 10,000 small files and 64 MiB, give every file back`, () =>
    keepsEveryFile(visitor, { cycles, by: 'request', smallFiles: 10_000, contiguousMib: 64 }))

  it(`D2: ${cycles} cycles by the idle timer give every file back`, () =>
    keepsEveryFile(visitor, { cycles, by: 'idle timer', smallFiles: 2_000, contiguousMib: 8 }))

  it(`D3: ${cycles} hibernations under a writer lose no acknowledged write`, () =>
    keepsAcknowledgedWrites(visitor, cycles))

  const kills = figure(25, 6)
  it(`D4: ${kills} kills while 4 computes save`, async () => {
    const result = await survivesKilledSaves(stack, visitor, {
      kills,
      atOnce: 4,
      smallFiles: 500,
      contiguousMib: 8,
    })
    console.log('D4', result)
  })
})
