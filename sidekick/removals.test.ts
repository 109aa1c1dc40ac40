import { Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { closingLine, openingLine, readRemovals, removedLine } from './removals.ts'

const broken = () => new Error('broken list')

const read = async (text: string, pieceBytes = 7): Promise<string[]> => {
  const bytes = Buffer.from(text)
  const pieces = Array.from({ length: Math.ceil(bytes.length / pieceBytes) }, (_, n) =>
    bytes.subarray(n * pieceBytes, (n + 1) * pieceBytes),
  )
  const found: string[] = []
  for await (const path of readRemovals(Readable.from(pieces), broken)) found.push(path)
  return found
}

describe('the list of removals', () => {
  it('is read as it is written, whatever the names', async () => {
    const paths = ['home/a', 'home/ä\n"'].map((path) => Buffer.from(path).toString('latin1'))
    const all = [...paths, 'home/\xff']
    const listed = all.map((path, n) => removedLine(path, n === 0)).join('')
    expect(await read(openingLine('s') + listed + closingLine)).toEqual(all)
    expect(await read(openingLine('s') + closingLine)).toEqual([])
  })

  it.each([
    ['cut', openingLine('s') + removedLine('home/a', true)],
    ['of another opening', `{"version":2}\n${closingLine}`],
    ['without lines', `{"removed":["${'x'.repeat(200_000)}`],
    ['of something else', `${openingLine('s')}{"x":1}\n${closingLine}`],
    ['with more behind it', openingLine('s') + closingLine + closingLine],
  ])('%s is refused', async (_how, text) => {
    await expect(read(text, 4096)).rejects.toThrow('broken list')
  })
})
