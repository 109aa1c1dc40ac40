/**
 * `npm run cluster:up` and `npm run cluster:down`: a one-node Kubernetes on this machine, with gVisor and
 * enforced network policies and the images of this checkout; with KUBECONFIG, the cluster that names.
 */
import { parseArgs } from 'node:util'
import { provideImages } from '../images/provide.ts'
import { openBoard } from '../local/board.ts'
import { binaryOf } from './binaries.ts'
import { clusterDown } from './down.ts'
import { checkGivenCluster } from './given-cluster.ts'
import { givenKubeconfig } from './places.ts'
import { clusterUp } from './up.ts'

const { positionals, values: options } = parseArgs({
  allowPositionals: true,
  options: {
    /** down: objects, images and certificates stay for the next start. */
    keep: { type: 'boolean', default: false },
    /** up: the node alone. */
    'no-images': { type: 'boolean', default: false },
  },
})

const board = openBoard()
const given = givenKubeconfig()

const up = async (): Promise<void> => {
  const kubeconfig = given || (await clusterUp(board))
  if (given) await board.during('cluster', () => checkGivenCluster(given))
  if (!options['no-images'])
    await provideImages(board, given ? { kind: 'given', kubeconfig } : { kind: 'ours' })
  if (given) return
  board.note(`\n  export KUBECONFIG=${kubeconfig}`)
  board.note(`  kubectl, if there is none: ${binaryOf('kubectl')}\n`)
}

const down = async (): Promise<void> => {
  if (given)
    return board.note(`KUBECONFIG names a cluster that was not started here: nothing to stop.`)
  await clusterDown(board, options.keep)
}

const COMMANDS = { up, down } as const

try {
  const command = COMMANDS[positionals[0] as keyof typeof COMMANDS]
  if (command === undefined) throw new Error('usage: cluster up [--no-images] | down [--keep]')
  await command()
} catch (error) {
  board.note(`\n  ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
} finally {
  board.close()
}
