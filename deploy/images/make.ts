/** Makes the platform's images as archives in the cache folder; what is there already is not made again. */
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { buildImage, exportImage, imagesDir, removeImage } from './buildah.ts'
import { reference, type Image } from './catalogue.ts'
import { contentHash } from './content-hash.ts'
import { ingredientKey, obtainIngredient, type IngredientName } from './ingredients.ts'
import { rootDir } from '../root-dir.ts'

export interface MadeImage {
  readonly name: string
  /** `docker.io/dormouse/<name>:<content hash>` */
  readonly reference: string
  /** As `docker load` reads it. */
  readonly archive: string
}

export const makeImage = async (
  image: Image,
  say: (text: string) => void = () => {},
): Promise<MadeImage> => {
  const recipes = recipesDir()
  const dockerfile = path.join(recipes, image.dockerfile)
  const hash = await imageHash(image, await readFile(dockerfile, 'utf8'))
  const made = {
    name: image.name,
    reference: reference(image.name, hash),
    archive: path.join(imagesDir(), `${image.name}-${hash}.tar`),
  }
  if (existsSync(made.archive)) return made
  await mkdir(imagesDir(), { recursive: true })
  const args: Record<string, string> = {}
  for (const [argument, ingredient] of Object.entries(image.from))
    args[argument] = await obtainIngredient(ingredient, say)
  say(image.dockerfile)
  // Built under its own name: an archive holds every name its image has.
  await buildImage({ dockerfile, context: recipes, tag: made.reference, args }, say)
  const partial = `${made.archive}.partial-${process.pid}`
  await exportImage(made.reference, partial, made.reference)
  await removeImage(made.reference)
  await rename(partial, made.archive)
  await removeOlder(image.name, path.basename(made.archive))
  return made
}

const recipesDir = (): string => path.join(rootDir(), 'deploy/images')

/** Another Dockerfile, another Debian, another build: another hash. */
export const imageHash = async (
  image: Image,
  dockerfile: string,
  keyOf: (name: IngredientName) => Promise<string> = ingredientKey,
): Promise<string> => {
  const parts: Record<string, string> = { dockerfile }
  for (const file of image.context ?? [])
    parts[`file ${file}`] = await readFile(path.join(recipesDir(), file), 'utf8')
  for (const [argument, ingredient] of Object.entries(image.from))
    parts[`from ${argument}`] = await keyOf(ingredient)
  return contentHash(parts)
}

const KEPT = 2

const removeOlder = async (name: string, newest: string): Promise<void> => {
  const mine = new RegExp(`^${name}-[0-9a-f]{12}\\.tar$`)
  const older = (await readdir(imagesDir())).filter((file) => mine.test(file) && file !== newest)
  for (const file of older.slice(0, Math.max(0, older.length - (KEPT - 1))))
    await rm(path.join(imagesDir(), file), { force: true })
}
