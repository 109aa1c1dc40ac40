import { mkdtemp, readdir, readFile, rm, writeFile, cp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { DeterminismViolationError } from '@temporalio/workflow'
import { temporal } from '@temporalio/proto'
import {
  bundleWorkflowCode,
  DefaultLogger,
  Runtime,
  Worker,
  type WorkflowBundleWithSourceMap,
} from '@temporalio/worker'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { PLOT } from '../../workflows/plot.ts'

const RECORDED = fileURLToPath(new URL('./recorded/', import.meta.url))
const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const names = (await readdir(RECORDED, { recursive: true })).filter((name) => name.endsWith('.json'))
const logger = new DefaultLogger('ERROR')

interface Recorded {
  readonly workflowId: string
  /** Each a temporal.api.history.v1.History, in base64. */
  readonly runs: readonly string[]
}

let bundle: WorkflowBundleWithSourceMap
let failures: Map<string, string>
let changed: string
beforeAll(async () => {
  Runtime.install({ logger, telemetryOptions: { logging: { forward: {}, filter: 'OFF' } } })
  bundle = await bundleWorkflowCode({
    workflowsPath: path.join(ROOT, 'workflows/index.ts'),
    logger,
  })
  failures = await replay(names, bundle)
  changed = await mkdtemp(path.join(tmpdir(), 'dormouse-replay-'))
}, 120_000)
afterAll(() => rm(changed, { recursive: true, force: true }))

/** Failures by file; one replaying worker for all of them. */
const replay = async (
  files: readonly string[],
  workflowBundle: WorkflowBundleWithSourceMap,
): Promise<Map<string, string>> => {
  const fileOf = new Map<string, string>()
  const histories = []
  for (const file of files) {
    const text = await readFile(path.join(RECORDED, file), 'utf8')
    const { workflowId, runs } = JSON.parse(text) as Recorded
    fileOf.set(workflowId, file)
    for (const run of runs) {
      const history = temporal.api.history.v1.History.decode(Buffer.from(run, 'base64'))
      histories.push({ workflowId, history })
    }
  }
  const failed = new Map<string, string>()
  for await (const { workflowId, error } of Worker.runReplayHistories(
    { workflowBundle },
    histories,
  ))
    if (error !== undefined)
      failed.set(
        fileOf.get(workflowId) ?? workflowId,
        `${error instanceof DeterminismViolationError}: ${error.message}`,
      )
  return failed
}

test('every path of life has a recorded history', () => {
  const today = names.filter((name) => path.dirname(name) === `plot-${PLOT}`)
  expect(today.length).toBeGreaterThanOrEqual(25)
})

test.each(names)('%s, lived by an earlier version, is replayed by this one', (name) => {
  expect(failures.get(name)).toBeUndefined()
})

test('a change that would break computes under way is caught', async () => {
  await cp(path.join(ROOT, 'workflows'), path.join(changed, 'workflows'), { recursive: true })
  const file = path.join(changed, 'workflows/compute/chapters/hibernate.ts')
  const source = await readFile(file, 'utf8')
  const planted = source.replace(/ {2}await record\(\{[^}]*to: 'hibernating'[^}]*\}\)\n/, '')
  expect(planted).not.toBe(source)
  await writeFile(file, planted)
  const workflowBundle = await bundleWorkflowCode({
    workflowsPath: path.join(changed, 'workflows/index.ts'),
    logger,
    webpackConfigHook: (config) => ({
      ...config,
      resolve: { ...config.resolve, modules: [path.join(ROOT, 'node_modules')] },
    }),
  })
  const failed = await replay([`plot-${PLOT}/create-hibernate-wake-delete.json`], workflowBundle)
  expect([...failed.values()][0]).toMatch(/^true: /)
}, 60_000)
