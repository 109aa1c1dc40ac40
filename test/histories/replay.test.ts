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

const RECORDED = fileURLToPath(new URL('./recorded/', import.meta.url))
const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const names = (await readdir(RECORDED)).filter((name) => name.endsWith('.json'))
const logger = new DefaultLogger('ERROR')

interface Recorded {
  readonly workflowId: string
  /** Each a temporal.api.history.v1.History, in base64. */
  readonly runs: readonly string[]
}

let bundle: WorkflowBundleWithSourceMap
let changed: string
beforeAll(async () => {
  Runtime.install({ logger, telemetryOptions: { logging: { forward: {}, filter: 'OFF' } } })
  bundle = await bundleWorkflowCode({
    workflowsPath: path.join(ROOT, 'workflows/index.ts'),
    logger,
  })
  changed = await mkdtemp(path.join(tmpdir(), 'dormouse-replay-'))
}, 60_000)
afterAll(() => rm(changed, { recursive: true, force: true }))

const replay = async (name: string, workflowBundle = bundle): Promise<string[]> => {
  const { workflowId, runs } = JSON.parse(
    await readFile(path.join(RECORDED, name), 'utf8'),
  ) as Recorded
  const failed: string[] = []
  const histories = runs.map((run) => ({ workflowId, history: temporal.api.history.v1.History.decode(Buffer.from(run, 'base64')) }))
  for await (const { error } of Worker.runReplayHistories(
    { workflowBundle, replayName: name },
    histories,
  ))
    if (error !== undefined)
      failed.push(`${error instanceof DeterminismViolationError}: ${error.message}`)
  return failed
}

test('every path of life has a recorded history', () => {
  expect(names.length).toBeGreaterThanOrEqual(25)
})

test.each(names)('%s, lived by an earlier version, is replayed by this one', async (name) => {
  expect(await replay(name)).toEqual([])
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
  const failed = await replay('create-hibernate-wake-delete.json', workflowBundle)
  expect(failed[0]).toMatch(/^true: /)
}, 60_000)
