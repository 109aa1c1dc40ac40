/**
 * Global set-up of the suites that need a cluster: the one that KUBECONFIG names, or a node on this
 * machine, with the images of this checkout. It stays up: the next run finds it ready in a second.
 */
import { spawnSync } from 'node:child_process'
import path from 'node:path'
import { givenKubeconfig } from '../../deploy/cluster/places.ts'
import { checkGivenCluster } from '../../deploy/cluster/given-cluster.ts'
import { clusterUp } from '../../deploy/cluster/up.ts'
import type { MadeImage } from '../../deploy/images/make.ts'
import { provideImages } from '../../deploy/images/provide.ts'
import { openBoard } from '../../deploy/local/board.ts'

const ROOT = path.resolve(import.meta.dirname, '../..')

export const setup = async (): Promise<void> => {
  build()
  const board = openBoard()
  try {
    const given = givenKubeconfig()
    if (given === undefined) process.env['KUBECONFIG'] = await clusterUp(board)
    else await checkGivenCluster(given)
    if (given === undefined) useThese(await provideImages(board, { kind: 'ours' }))
    else await provideImages(board, { kind: 'given', kubeconfig: given })
  } finally {
    board.close()
  }
}

/** Of several checkouts that use the node each tests its own: `dev` is whichever came last. */
const useThese = (made: readonly MadeImage[]): void => {
  for (const { name, reference } of made)
    process.env[`DORMOUSE_KUBERNETES_${name.toUpperCase()}_IMAGE`] ??= reference
}

const build = (): void => {
  const script = path.join(ROOT, 'deploy/build/build.mjs')
  const { status } = spawnSync(process.execPath, [script], { stdio: 'inherit' })
  if (status !== 0) throw new Error('the build failed')
}
