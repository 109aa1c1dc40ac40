/**
 * Builds images without a daemon and without a registry; its store is in the cache folder. One process at a
 * time: see store-lock.ts.
 */
import path from 'node:path'
import { cacheDir } from '../local/cache.ts'
import { runTool } from '../local/run-tool.ts'

export const imagesDir = (): string => path.join(cacheDir(), 'images')

export type OnLine = (line: string) => void

const buildah = async (args: readonly string[], onLine?: OnLine): Promise<string> =>
  runTool('buildah', [...(await storeOf()), ...args], onLine === undefined ? {} : { onLine })

let store: Promise<readonly string[]> | undefined

/** overlay shares layers; where a file system or a container does not allow it, vfs copies them whole. */
const storeOf = (): Promise<readonly string[]> => {
  const options = (driver: string): readonly string[] => {
    const root = path.join(imagesDir(), `store-${driver}`)
    return ['--storage-driver', driver, '--root', root, '--runroot', path.join(root, 'run')]
  }
  store ??= runTool('buildah', [...options('overlay'), 'info']).then(
    () => options('overlay'),
    () => options('vfs'),
  )
  return store
}

export const hasImage = (image: string): Promise<boolean> =>
  buildah(['images', '--quiet', image]).then(
    () => true,
    () => false,
  )

export const buildImage = async (
  build: {
    readonly dockerfile: string
    readonly context: string
    readonly tag: string
    readonly args?: Readonly<Record<string, string>>
  },
  onLine?: OnLine,
): Promise<void> => {
  await buildah(
    [
      ...['bud', '--isolation', 'chroot', '--pull-never', '--file', build.dockerfile],
      ...Object.entries(build.args ?? {}).flatMap(([name, value]) => [
        '--build-arg',
        `${name}=${value}`,
      ]),
      ...['--tag', build.tag, build.context],
    ],
    onLine,
  )
  // A stage that is only copied from leaves its container behind.
  await buildah(['rm', '--all'])
}

/** An image of one folder's content and nothing else. */
export const imageOfFolder = async (folder: string, tag: string): Promise<void> => {
  const container = (await buildah(['from', 'scratch'])).trim()
  try {
    await buildah(['copy', '--quiet', container, folder, '/'])
    await buildah(['commit', '--quiet', container, tag])
  } finally {
    await buildah(['rm', container])
  }
}

/** Writes `image` to `archive`, as `docker load` and `ctr images import` read it, named `reference`. */
export const exportImage = async (
  image: string,
  archive: string,
  reference: string,
): Promise<void> => {
  await buildah(['push', '--quiet', image, `docker-archive:${archive}:${reference}`])
}

export const removeImage = async (image: string): Promise<void> => {
  await buildah(['rmi', '--force', image])
}

/** Tags of a local repository. */
export const tagsOf = async (repository: string): Promise<readonly string[]> => {
  const listed = await buildah(['images', '--format', '{{.Name}}:{{.Tag}}'])
  return listed.split('\n').filter((line) => line.startsWith(`${repository}:`))
}
