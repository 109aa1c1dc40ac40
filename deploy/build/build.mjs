/**
 * Makes dist/: one bundle per process (our code; packages stay in node_modules), the workflow bundle,
 * the sidekick and the page. Plain JavaScript, because nothing is built when it runs.
 *
 *   node deploy/build/build.mjs [--force]
 *
 * Sources unchanged since the last time: nothing is done.
 */
import { cp, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { build } from 'esbuild'
import { buildSidekick } from './sidekick.mjs'
import { sourceHash } from './source-hash.mjs'

const ROOT = path.resolve(import.meta.dirname, '../..')
const DIST = path.join(ROOT, 'dist')

/** dist/<name>.js ← entry */
const ENTRIES = {
  local: 'deploy/local/start.ts',
  obtain: 'deploy/local/obtain.ts',
  'box-outside': 'deploy/local/box/outside.ts',
  'box-inside': 'deploy/local/box/inside.ts',
  api: 'api/main.ts',
  gateway: 'gateway/main.ts',
  worker: 'temporal/worker.ts',
  observer: 'temporal/observer.ts',
  'data-worker': 'temporal/data-worker.ts',
  migrate: 'deploy/migrate.ts',
  'node-wall': 'deploy/node-wall/main.ts',
  cluster: 'deploy/cluster/main.ts',
  images: 'deploy/images/main.ts',
  cli: 'cli/main.ts',
  demo: 'deploy/local/demo.ts',
}

/** Builds what is stale; answers how long it took, or undefined when dist/ was up to date. */
export const buildAll = async ({ force = false, onStale = () => {} } = {}) => {
  const startedAt = Date.now()
  const hashFile = path.join(DIST, '.hash')
  const hash = await sourceHash(ROOT)
  const built = await readFile(hashFile, 'utf8').catch(() => '')
  if (built === hash && !force) return undefined
  onStale()
  await mkdir(DIST, { recursive: true })
  // Gone before anything is written: a build that was cut short is never taken for a whole one.
  await rm(hashFile, { force: true })
  await settled([bundles(), sidekick(), workflows(), page(), migrations()])
  await writeFile(hashFile, hash)
  return Date.now() - startedAt
}

const bundles = async () => {
  // One by one: a fault in one of them leaves the others built.
  await settled(Object.entries(ENTRIES).map(([name, entry]) => bundle(name, entry)))
}

const bundle = (name, entry) =>
  build({
    absWorkingDir: ROOT,
    entryPoints: { [name]: entry },
    outdir: DIST,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'node20.19',
    sourcemap: true,
    // Names of error classes are the vocabulary of retries.
    keepNames: true,
    logLevel: 'warning',
  })

const settled = async (promises) => {
  const failure = (await Promise.allSettled(promises)).find(({ status }) => status === 'rejected')
  if (failure !== undefined) throw failure.reason
}

const sidekick = () => buildSidekick(path.join(DIST, 'sidekick'))

/** The bundle that runs in Temporal's sandbox; made once here, not by every worker at its start. */
const workflows = async () => {
  const workflowsPath = path.join(ROOT, 'workflows/index.ts')
  const { bundleWorkflowCode } = await import('@temporalio/worker')
  const { code } = await bundleWorkflowCode({ workflowsPath, logger: quiet })
  await replaceFile(path.join(DIST, 'workflows.js'), code)
}

const page = async () => {
  const configFile = path.join(ROOT, 'web/vite.config.ts')
  const vite = await import('vite')
  await vite.build({
    configFile,
    root: path.join(ROOT, 'web'),
    logLevel: 'error',
    build: { outDir: path.join(DIST, 'web'), emptyOutDir: true },
  })
}

const migrations = async () => {
  const to = path.join(DIST, 'migrations')
  await rm(to, { recursive: true, force: true })
  await cp(path.join(ROOT, 'records/migrations'), to, { recursive: true })
}

/** A worker that starts meanwhile reads the old file or the new one, never half of one. */
const replaceFile = async (file, text) => {
  await writeFile(`${file}.${process.pid}`, text)
  await rename(`${file}.${process.pid}`, file)
}

const ignore = () => {}
const quiet = {
  log: ignore,
  trace: ignore,
  debug: ignore,
  info: ignore,
  warn: (message, meta) => console.warn(message, meta ?? ''),
  error: (message, meta) => console.error(message, meta ?? ''),
}

if (process.argv[1] === import.meta.filename) {
  const tookMs = await buildAll({ force: process.argv.includes('--force') })
  console.log(tookMs === undefined ? 'dist/ is up to date' : `built dist/ in ${tookMs} ms`)
}
