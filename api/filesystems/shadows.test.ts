import { Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { closingLine, openingLine, removedLine } from '../../sidekick/saves/removed-list.ts'
import { createShadows, readRemovals } from './shadows.ts'

const read = async (text: string, pieceBytes = 7): Promise<string[]> => {
  const bytes = Buffer.from(text)
  const pieces = Array.from({ length: Math.ceil(bytes.length / pieceBytes) }, (_, n) =>
    bytes.subarray(n * pieceBytes, (n + 1) * pieceBytes),
  )
  const found: string[] = []
  for await (const path of readRemovals(Readable.from(pieces))) found.push(path)
  return found
}

describe('the list of removals', () => {
  it('is read as the sidekick writes it, whatever the names', async () => {
    const paths = ['home/a', 'home/ä\n"'].map((path) => Buffer.from(path).toString('latin1'))
    const all = [...paths, 'home/\xff']
    const listed = all.map((path, n) => removedLine(path, n === 0)).join('')
    expect(await read(openingLine('s') + listed + closingLine)).toEqual(all)
    expect(await read(openingLine('s') + closingLine)).toEqual([])
  })

  it.each([
    ['cut', openingLine('s') + removedLine('home/a', true)],
    ['without lines', `{"removed":["${'x'.repeat(200_000)}`],
    ['of something else', `${openingLine('s')}{"x":1}\n${closingLine}`],
    ['with more behind it', openingLine('s') + closingLine + closingLine],
  ])('%s is refused', async (_how, text) => {
    await expect(read(text, 4096)).rejects.toMatchObject({ name: 'SnapshotCorrupt' })
  })
})

describe('what is remembered for an export', () => {
  it('is bounded, and says what to do instead', () => {
    const shadows = createShadows(1024 * 1024)
    const fill = () => {
      for (let n = 0; n < 5_000; n += 1) shadows.remove(`home/${n}${'x'.repeat(250)}`, 1)
    }
    expect(fill).toThrow(expect.objectContaining({ name: 'FilesystemTooLarge' }))
    expect(fill).toThrow(/restore it into a compute/)
  })

  it('holds no path that no file system has', () => {
    const shadows = createShadows()
    const path = 'a/'.repeat(10_000)
    for (const use of [() => shadows.remove(path, 1), () => shadows.hides(path, 0)])
      expect(use).toThrow(expect.objectContaining({ name: 'SnapshotCorrupt' }))
  })
})
