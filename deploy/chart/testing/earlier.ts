/** For suites: what an earlier commit of this repository is installed from, made by its own recipes. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
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
  readonly commit: string
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
 * On the node of cluster:up alone: elsewhere nobody knows how it gets its images.
 */
export const earlier = async (): Promise<Earlier> => {
  const commit = await earlierCommit()
  const checkout = await mkdtemp(path.join(tmpdir(), 'dormouse-earlier-'))
  const archive = path.join(checkout, 'all.tar')
  await git(['archive', '--output', archive, commit])
  await runTool('tar', ['-xf', archive, '-C', checkout])
  return {
    commit,
    chart: path.join(checkout, 'deploy/chart'),
    images: await imagesOfCheckout(checkout, commit),
    end: () => rm(checkout, { recursive: true, force: true }),
  }
}

const earlierCommit = async (): Promise<string> => {
  const given = process.env['DORMOUSE_UPGRADE_FROM']
  try {
    const name = given ?? `${await git(['log', '-1', '--format=%H', '--', ...OURS])}~1`
    return await git(['rev-parse', '--verify', `${name}^{commit}`])
  } catch (error) {
    throw new Error(
      given === undefined
        ? 'this clone does not have the commit before the last change of the services: get the history (git fetch --unshallow), or name one that it has in DORMOUSE_UPGRADE_FROM'
        : `DORMOUSE_UPGRADE_FROM is ${given}, which this clone does not have`,
      { cause: error },
    )
  }
}

const git = async (args: readonly string[]): Promise<string> =>
  (await runTool('git', args, { cwd: rootDir() })).trim()

const NAMES = [
  'platform',
  'base',
  'sidekick',
] as const satisfies readonly (typeof IMAGES)[number]['name'][]

/** A commit's images are always the same: made once, and found again by a note beside the archives. */
const imagesOfCheckout = async (checkout: string, commit: string): Promise<Images> => {
  const note = path.join(imagesDir(), `earlier-${commit}.json`)
  const known = (await readFile(note, 'utf8').then(JSON.parse, () => undefined)) as
    Images | undefined
  const there = await nodeImages()
  if (known !== undefined && NAMES.every((name) => there.has(known[name]))) return known
  await build(checkout)
  const said = await runTool(process.execPath, ['dist/images.js', ...NAMES], { cwd: checkout })
  const made = NAMES.map((name) => {
    const line = new RegExp(`(${reference(name, '[0-9a-f]+')})\\s+(/\\S+)`).exec(said)
    const [, image, archive] = line ?? []
    if (image === undefined || archive === undefined)
      throw new Error(`commit ${commit} made no image ${name}: ${said}`)
    return { name, image, archive }
  })
  for (const { image, archive } of made) if (!there.has(image)) await importImage(archive)
  const images = Object.fromEntries(
    made.map(({ name, image }) => [name, image]),
  ) as unknown as Images
  await writeFile(note, JSON.stringify(images))
  return images
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
