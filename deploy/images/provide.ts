/** Gives a cluster the images of this checkout, made where they are missing. */
import { runTool } from '../local/run-tool.ts'
import { onPath } from '../local/cache.ts'
import type { Board } from '../local/board.ts'
import path from 'node:path'
import { IMAGE_PACKAGES, requirePackages } from '../cluster/debian-packages.ts'
import { importImage, nodeImages, tagImage } from '../cluster/containerd.ts'
import { currentContext } from '../cluster/given-cluster.ts'
import { imagesDir } from './buildah.ts'
import { loaderOf, pushHelp } from './loaders.ts'
import { IMAGES, LATEST_TAG, reference, type Image } from './catalogue.ts'
import { whileLocked } from './store-lock.ts'
import { makeImage, type MadeImage } from './make.ts'

export type Target =
  /** The node that cluster:up started. */
  { readonly kind: 'ours' } | { readonly kind: 'given'; readonly kubeconfig: string }

export const provideImages = async (
  board: Board,
  target: Target,
  names?: readonly string[],
): Promise<readonly MadeImage[]> => {
  const made = await makeImages(board, names)
  if (target.kind === 'ours') {
    await board.during('images into the node', (say) => loadIntoNode(made, say))
    return made
  }
  const loader = loaderOf(await currentContext(target.kubeconfig))
  if (loader === undefined || (await onPath(loader[0])) === undefined) {
    board.note(pushHelp(made))
    return made
  }
  await board.during(`images by ${loader[0]}`, async (say) => {
    for (const { name, archive } of made) {
      say(name)
      await runTool(loader[0], [...loader.slice(1), archive])
    }
  })
  return made
}

export const makeImages = async (
  board: Board,
  names: readonly string[] = IMAGES.map(({ name }) => name),
): Promise<readonly MadeImage[]> => {
  const wanted: readonly Image[] = names.map((name) => {
    const image = IMAGES.find((known) => known.name === name)
    if (image === undefined)
      throw new Error(
        `there is no image ${name}; there are ${IMAGES.map((known) => known.name).join(', ')}`,
      )
    return image
  })
  await board.during('packages', (say) => requirePackages(IMAGE_PACKAGES, say))
  const made: MadeImage[] = []
  for (const image of wanted)
    made.push(
      await board.during(`image ${image.name}`, (say) =>
        whileLocked(
          path.join(imagesDir(), 'lock.json'),
          () => makeImage(image, say),
          ({ pid }) => say(`waiting for the build of process ${pid}`),
        ),
      ),
    )
  return made
}

/** What the node has already costs nothing; the tag `dev` always moves to the newest. */
const loadIntoNode = async (
  made: readonly MadeImage[],
  say: (text: string) => void,
): Promise<void> => {
  const there = await nodeImages()
  for (const image of made) {
    say(image.name)
    if (!there.has(image.reference)) await importImage(image.archive)
    await tagImage(image.reference, reference(image.name, LATEST_TAG))
  }
}
