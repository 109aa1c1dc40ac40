import fc from 'fast-check'
import { expect, test } from 'vitest'
import { inPieces } from './pieces.ts'

const chunked = async function* (chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks
}

test('pieces are of one size and hold the same bytes, also in buffers that are used again', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 20 }),
      fc.integer({ min: 1, max: 50 }),
      async (chunks, pieceBytes) => {
        const one = Buffer.alloc(pieceBytes)
        const seen: Buffer[] = []
        for await (const piece of inPieces(chunked(chunks), pieceBytes, () => one))
          seen.push(Buffer.from(piece))
        expect(Buffer.concat(seen)).toEqual(Buffer.concat(chunks))
        expect(seen.slice(0, -1).every(({ length }) => length === pieceBytes)).toBe(true)
        expect(seen.at(-1)?.length).not.toBe(0)
      },
    ),
  )
})
