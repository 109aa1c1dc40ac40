/** Temporal: server, UI and CLI in one binary, with its state in one SQLite file. */
import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { Connection } from '@temporalio/client'
import { SEARCH_ATTRIBUTES } from '../../../workflows/search-attributes.ts'
import { boxed } from '../box/boxed.ts'
import { cacheDir, fillOnce, isExecutable, linkBinary, onPath } from '../cache.ts'
import { untilCrashed, type ProcessSpec } from '../processes.ts'
import { runTool } from '../run-tool.ts'
import { waitUntil } from '../../wait-until.ts'
import { downloadTemporal } from './temporal-download.ts'
import { PartMissing, type RunningPart, type Say, type StartOptions } from './part.ts'

/** The newest that `go install` builds: later modules have replace directives, which it refuses. */
const VERSION = '1.5.1'

/** `temporal` on PATH, else the cache, else its makers' download, else a build with Go. */
export const obtainTemporal = async (say: Say): Promise<string> => {
  const installed = await onPath('temporal')
  if (installed !== undefined) return linkBinary('temporal', installed)
  const dir = path.join(cacheDir(), `temporal-${VERSION}`)
  const binary = path.join(dir, 'temporal')
  if (await isExecutable(binary)) return linkBinary('temporal', binary)
  const refusals: string[] = []
  for (const fill of [downloadTemporal, buildWithGo]) {
    try {
      await fillOnce(dir, (partial) => fill(VERSION, partial, say))
      return await linkBinary('temporal', binary)
    } catch (error) {
      refusals.push(error instanceof Error ? error.message : String(error))
    }
  }
  throw new PartMissing(
    'Temporal',
    refusals.join('; '),
    'Put the Temporal CLI on PATH (https://docs.temporal.io/cli/setup-cli), or install Go 1.24 or newer, or use a server of yours: TEMPORAL_ADDRESS.',
  )
}

const buildWithGo = async (version: string, dir: string, say: Say): Promise<void> => {
  const go = await onPath('go')
  if (go === undefined) throw new Error('there is no go on PATH to build it with')
  say(`building the Temporal CLI ${version} with Go, once (about 4 minutes)`)
  let packages = 0
  await runTool(go, ['install', '-v', `github.com/temporalio/cli/cmd/temporal@v${version}`], {
    env: { ...process.env, GOBIN: dir, GOFLAGS: '', CGO_ENABLED: '0' },
    onLine(line) {
      if (line.startsWith('go: ')) return say(line.slice(4))
      packages++
      if (packages % 20 === 0) say(`building the Temporal CLI with Go: ${packages} packages`)
    },
  })
}

export const startTemporal = async (
  options: StartOptions & {
    readonly binary: string
    readonly ports: { readonly temporal: number; readonly ui: number }
    readonly namespaces?: readonly string[]
  },
): Promise<RunningPart> => {
  await mkdir(options.dir, { recursive: true, mode: 0o700 })
  const spec: ProcessSpec = {
    name: 'temporal',
    command: options.binary,
    args: [
      'server',
      'start-dev',
      '--ip',
      '127.0.0.1',
      '--port',
      String(options.ports.temporal),
      '--ui-port',
      String(options.ports.ui),
      '--db-filename',
      path.join(options.dir, 'temporal.sqlite'),
      '--log-level',
      'warn',
      // Every one of ours is a keyword; the CLI has its own spelling of the word.
      ...SEARCH_ATTRIBUTES.flatMap(({ name }) => ['--search-attribute', `${name}=Keyword`]),
      ...(options.namespaces ?? []).flatMap((name) => ['--namespace', name]),
    ],
    env: { PATH: process.env['PATH'], HOME: options.dir },
    cwd: options.dir,
  }
  const doors = [options.ports.temporal, options.ports.ui]
  const child = options.processes.start(
    options.box === undefined ? spec : boxed(options.box, doors, spec),
  )
  const env = temporalEnv(options.ports)
  await waitUntil('Temporal', () => answers(env.TEMPORAL_ADDRESS), {
    withinMs: 60_000,
    ...untilCrashed(child),
  })
  return { env, stop: () => child.stop() }
}

export const temporalEnv = (ports: { readonly temporal: number; readonly ui: number }) => ({
  TEMPORAL_ADDRESS: `127.0.0.1:${ports.temporal}`,
  TEMPORAL_UI_ORIGIN: `http://127.0.0.1:${ports.ui}`,
})

const answers = async (address: string): Promise<void> => {
  const connection = await Connection.connect({ address, connectTimeout: '1s' })
  try {
    await connection.workflowService.describeNamespace({ namespace: 'default' })
  } finally {
    await connection.close()
  }
}
