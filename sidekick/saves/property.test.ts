import fc from 'fast-check'
import { afterEach, expect, test, vi } from 'vitest'
import { attempt, edit } from './edits-for-tests.ts'
import type { SavedIndex } from './saved-index.ts'
import { makeRoots, portrait, putBack, removeFolders, takeSave } from './trees-for-tests.ts'

vi.setConfig({ hookTimeout: 60_000 })

afterEach(removeFolders)

const step = fc.oneof(
  { weight: 26, arbitrary: edit },
  { weight: 3, arbitrary: fc.constant('save' as const) },
)

test('after any edits, the parts in order make an equal tree', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), async (steps) => {
      const from = makeRoots()
      const parts: Buffer[] = []
      let base: SavedIndex | null = null
      for (const [at, each] of [...steps, 'save' as const].entries()) {
        if (each !== 'save') {
          attempt(from, each, at)
          continue
        }
        const save = await takeSave(from, base)
        parts.push(save.bytes)
        base = save.index
      }
      const to = makeRoots()
      await putBack(to, parts)
      expect(portrait(to)).toEqual(portrait(from))
      removeFolders()
    }),
    { numRuns: 100, interruptAfterTimeLimit: 20_000 },
  )
}, 120_000)
