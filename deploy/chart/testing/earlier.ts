/** For suites: what an earlier commit of this repository is installed from, made by its own recipes. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { importImage, nodeImages } from '../../cluster/containerd.ts'
import { imagesDir } from '../../images/buildah.ts'
import type { IMAGES } from '../../images/catalogue.ts'
import { reference } from '../../images/catalogue.ts'
import { runTool } from '../../local/run-tool.ts'
import { rootDir } from '../../root-dir.ts'
import type { Images } from './installation.ts'

export interface Earlier {
  /** Of the commit. */
  readonly name: string
  /** Its chart. */
  readonly chart: string
  /** The node has them. */
  readonly images: Images
  end(): Promise<void>
}

/** What the services are made of. */
const SERVICES = [
  'workflows',
  'activities',
  'records',
  'auth',
  'config',
  'temporal',
  'api',
  'gateway',
]
const OURS = [...SERVICES, 'sidekick', 'package-lock.json']

/**
 * The last commit whose services are others than this checkout's; DORMOUSE_UPGRADE_FROM names another.
 * Where there is no history, this commit as another build: other images, and another version to Temporal.
 * On the node of cluster:up alone: elsewhere nobody knows how it gets its images.
 */
export const earlier = async (): Promise<Earlier> => {
  const checkout = await mkdtemp(path.join(tmpdir(), 'dormouse-earlier-'))
  const commit = await earlierCommit()
  const name = commit ?? 'this commit as another build, for want of history'
  if (commit === undefined) await anotherBuild(checkout)
  else await checkOut(commit, checkout)
  return {
    name,
    chart: path.join(checkout, 'deploy/chart'),
    images: await imagesOfCheckout(checkout, commit),
    end: () => rm(checkout, { recursive: true, force: true }),
  }
}

/** Undefined: an export, a shallow clone or a first commit. */
const earlierCommit = async (): Promise<string | undefined> => {
  const commit = (name: string) => git(['rev-parse', '--verify', `${name}^{commit}`])
  const given = process.env['DORMOUSE_UPGRADE_FROM']
  if (given !== undefined) return commit(given)
  try {
    return await commit(`${await git(['log', '-1', '--format=%H', '--', ...OURS])}~1`)
  } catch {
    return undefined
  }
}

const checkOut = async (commit: string, to: string): Promise<void> => {
  const archive = path.join(to, 'all.tar')
  await git(['archive', '--output', archive, commit])
  await runTool('tar', ['-xf', archive, '-C', to])
}

const anotherBuild = async (to: string): Promise<void> => {
  const left = new Set(['.git', 'node_modules', 'dist'])
  for (const entry of await readdir(rootDir()))
    if (!left.has(entry)) await runTool('cp', ['-a', path.join(rootDir(), entry), to])
  const file = path.join(to, 'workflows/plot.ts')
  const [here, there] = ['`${PREFIX}${PLOT}`', '`${PREFIX}${PLOT}.0`']
  const text = await readFile(file, 'utf8')
  if (!text.includes(here)) throw new Error(`${file} names its build in another way than ${here}`)
  await writeFile(file, text.replace(here, there))
}

const git = async (args: readonly string[]): Promise<string> =>
  (await runTool('git', args, { cwd: rootDir() })).trim()

const NAMES = [
  'platform',
  'base',
  'sidekick',
] as const satisfies readonly (typeof IMAGES)[number]['name'][]

/** A commit's images are always the same: made once, and found again by a note beside the archives. */
const imagesOfCheckout = async (checkout: string, commit?: string): Promise<Images> => {
  if (commit === undefined) return makeImages(checkout)
  const note = path.join(imagesDir(), `earlier-${commit}.json`)
  const known = (await readFile(note, 'utf8').then(JSON.parse, () => undefined)) as
    Images | undefined
  const there = await nodeImages()
  if (known !== undefined && NAMES.every((name) => there.has(known[name]))) return known
  const images = await makeImages(checkout)
  await writeFile(note, JSON.stringify(images))
  return images
}

const makeImages = async (checkout: string): Promise<Images> => {
  await build(checkout)
  const said = await runTool(process.execPath, ['dist/images.js', ...NAMES], { cwd: checkout })
  const there = await nodeImages()
  const made = await Promise.all(
    NAMES.map(async (name) => {
      const line = new RegExp(`(${reference(name, '[0-9a-f]+')})\\s+(/\\S+)`).exec(said)
      const [, image, archive] = line ?? []
      if (image === undefined || archive === undefined)
        throw new Error(`the earlier checkout made no image ${name}: ${said}`)
      if (!there.has(image)) await importImage(archive)
      return [name, image] as const
    }),
  )
  return Object.fromEntries(made) as unknown as Images
}

const build = async (checkout: string): Promise<void> => {
  const lock = (root: string) => readFile(path.join(root, 'package-lock.json'), 'utf8')
  if ((await lock(checkout)) === (await lock(rootDir())))
    await runTool('cp', [
      ...['-al', path.join(rootDir(), 'node_modules/.')],
      path.join(checkout, 'node_modules'),
    ])
  else await runTool('npm', ['ci', '--no-audit', '--no-fund'], { cwd: checkout })
  await runTool(process.execPath, ['deploy/build/build.mjs'], { cwd: checkout })
}
