/** Builds programs from Go modules in a module of our own, so that no module's own go.mod is in the way. */
import { chmod, cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { onPath } from '../local/cache.ts'
import { PartMissing, type Say } from '../local/parts/part.ts'
import { runTool } from '../local/run-tool.ts'
import { rootDir } from '../root-dir.ts'
import type { GoPart } from './versions.ts'

const GO_VERSION = '1.26.3'

/** Puts the programs of `part` into `dir`. */
export const buildWithGo = async (part: GoPart, dir: string, say: Say): Promise<void> => {
  const binary = await onPath('go')
  if (binary === undefined)
    throw new PartMissing(
      part.name,
      'there is no go on PATH to build it with',
      `Install Go ${GO_VERSION} or newer (https://go.dev/dl), or use a cluster of yours: KUBECONFIG.`,
    )
  const work = await mkdtemp(path.join(tmpdir(), 'dormouse-go-'))
  const env = { ...process.env, CGO_ENABLED: '0', GOFLAGS: '-buildvcs=false -mod=mod' }
  const go = (args: readonly string[], onLine?: (line: string) => void): Promise<string> =>
    runTool(binary, args, { cwd: work, env, ...(onLine === undefined ? {} : { onLine }) })
  try {
    await writeFile(
      path.join(work, 'go.mod'),
      `module dormouse.local/cluster\n\ngo ${GO_VERSION}\n`,
    )
    if (part.sums !== undefined)
      await writeFile(path.join(work, 'go.sum'), part.sums.map((line) => `${line}\n`).join(''))
    if (part.source !== undefined)
      await cp(path.join(rootDir(), 'deploy/cluster/go', part.source), path.join(work, 'ours'), {
        recursive: true,
      })
    say(`fetching the sources of ${part.name}`)
    for (const { module, version, prepare } of part.modules ?? []) {
      const { Dir } = JSON.parse(
        await go(['mod', 'download', '-json', `${module}@${version}`]),
      ) as {
        Dir: string
      }
      await go(['mod', 'edit', `-require=${module}@${version}`])
      if (prepare === 'staging') await publishStaging(Dir, version, go)
      if (prepare === 'oom-score') await keepOomScore(Dir, path.join(work, 'patched'), module, go)
    }
    await mkdir(dir, { recursive: true })
    for (const [program, { package: name, tags = [], flags = [] }] of Object.entries(part.programs))
      await go(
        [
          ...['build', '-v', '-tags', tags.join(',')],
          ...['-ldflags', ['-s', '-w', ...flags].join(' '), '-o', path.join(dir, program), name],
        ],
        countPackages(part.name, say),
      )
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

type Go = (args: readonly string[]) => Promise<string>

/** k8s.io/kubernetes replaces its libraries by folders of its own; v1.X.Y of it is v0.X.Y of those. */
const publishStaging = async (dir: string, version: string, go: Go): Promise<void> => {
  const published = version.replace(/^v1\./, 'v0.')
  const text = await readFile(path.join(dir, 'go.mod'), 'utf8')
  const names = [...text.matchAll(/^\s*(\S+) => \.\/staging\//gm)].map(([, name]) => name)
  await go(['mod', 'edit', ...names.map((name) => `-replace=${name}=${name}@${published}`)])
}

/** The shim lowers its own OOM score at start, which root may not without CAP_SYS_RESOURCE: it leaves it. */
const keepOomScore = async (dir: string, to: string, module: string, go: Go): Promise<void> => {
  const manager = path.join(to, 'pkg/shim/v1/manager.go')
  await cp(dir, to, { recursive: true })
  await runTool('chmod', ['-R', 'u+w', to])
  const text = await readFile(manager, 'utf8')
  const patched = text.replace(/(oomScoreMax\s*=\s*)-999/, '$10')
  if (patched === text) throw new Error(`${module} no longer sets oomScoreMax in ${manager}`)
  await writeFile(manager, patched)
  await chmod(manager, 0o644)
  await go(['mod', 'edit', `-replace=${module}=${to}`])
}

const SAID_EVERY = 25

const countPackages = (name: string, say: Say) => {
  let packages = 0
  return (line: string): void => {
    if (line.startsWith('go: ')) return say(line.slice(4))
    packages++
    if (packages % SAID_EVERY === 0) say(`building ${name} with Go: ${packages} packages`)
  }
}
