/** `npm run images [-- NAME...] [-- --load]`: makes the images of this checkout; `--load` puts them into the node. */
import { parseArgs } from 'node:util'
import { openBoard } from '../local/board.ts'
import { givenKubeconfig } from '../cluster/places.ts'
import { IMAGES } from './catalogue.ts'
import { makeImages, provideImages } from './provide.ts'

const { positionals, values: options } = parseArgs({
  allowPositionals: true,
  options: { load: { type: 'boolean', default: false } },
})

const board = openBoard()
try {
  const names = positionals.length > 0 ? positionals : IMAGES.map(({ name }) => name)
  const kubeconfig = givenKubeconfig()
  const made = options.load
    ? await provideImages(
        board,
        kubeconfig ? { kind: 'given', kubeconfig } : { kind: 'ours' },
        names,
      )
    : await makeImages(board, names)
  for (const { reference, archive } of made) board.note(`    ${reference}  ${archive}`)
} catch (error) {
  board.note(`\n  ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
} finally {
  board.close()
}
