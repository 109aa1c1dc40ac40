import { execFile } from 'node:child_process'
import { copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const ROOT = path.resolve(import.meta.dirname, '..')

/** A planted import and the law that has to refuse it; the first of each pair is a file of the tree. */
const VIOLATIONS = [
  ['sidekick/planted-1.ts', `import '../records/ids.ts'`, 'sidekick-imports'],
  ['workflows/planted-2.ts', `import '../records/ids.ts'`, 'workflows-imports'],
  ['workflows/planted-3.ts', `import 'node:fs'`, 'workflows-are-pure'],
  ['workflows/planted-4.ts', `import 'pg'`, 'workflows-are-pure'],
  ['gateway/planted-5.ts', `import '../activities/ports.ts'`, 'gateway-imports'],
  ['gateway/planted-6.ts', `import '../sidekick/server.ts'`, 'gateway-imports'],
  ['api/planted-7.ts', `import '../sidekick/server.ts'`, 'api-imports'],
  ['api/planted-8.ts', `import '@temporalio/client'`, 'vendor--temporalio-client-worker-'],
  ['activities/planted-9.ts', `import '@aws-sdk/client-s3'`, 'vendor--aws-sdk'],
  ['activities/planted-10.ts', `import 'pg'`, 'vendor-pg'],
  ['cli/planted-11.ts', `import '../records/ids.ts'`, 'cli-imports'],
  ['records/planted-12.ts', `import '../deploy/planted.ts'`, 'nothing-stands-on-deploy'],
  ['auth/planted-13.ts', `import '../test/support/planted.ts'`, 'no-test-in-production'],
] as const

const trees: string[] = []
afterAll(() => Promise.all(trees.map((tree) => rm(tree, { recursive: true }))))

const PLAIN_FILES = [
  'records/ids.ts',
  'activities/ports.ts',
  'sidekick/server.ts',
  'deploy/planted.ts',
  'test/support/planted.ts',
]

describe('the import law refuses', () => {
  let report = ''
  // One cruise over all of them: starting the tool is what costs.
  beforeAll(async () => {
    const files = Object.fromEntries(VIOLATIONS.map(([file, line]) => [file, line]))
    const circle = { 'config/a.ts': `import './b.ts'`, 'config/b.ts': `import './a.ts'` }
    report = await cruise(await plant({ ...files, ...circle }))
  }, 30_000)

  test.each(VIOLATIONS)('%s with %s (%s)', (file, _line, law) => {
    expect(report).toContain(`error ${law}: ${file}`)
  })

  test('two files that import each other', () => {
    expect(report).toContain('error no-circle: config/')
  })
})

test('the import law accepts what it allows', { timeout: 30_000 }, async () => {
  const report = await cruise(
    await plant({
      'gateway/planted.ts': `import '../records/ids.ts'`,
      'workflows/planted.ts': `import '@temporalio/workflow'`,
    }),
  )
  expect(report).toContain('no dependency violations found')
})

test(
  'a workflow that imports a value of an activity is refused, a type is not',
  { timeout: 30_000 },
  async () => {
    const value = `import { run } from '../activities/contract.ts'\nexport const planted = run\n`
    const type = `import type { Run } from '../activities/contract.ts'\nexport type Planted = Run\n`
    const refused = await lint(await plant({ 'workflows/planted.ts': value }))
    expect(refused).toContain('no-restricted-imports')
    const accepted = await lint(await plant({ 'workflows/planted.ts': type }))
    expect(accepted).not.toContain('no-restricted-imports')
  },
)

test('a page that imports the API is refused', { timeout: 30_000 }, async () => {
  const page = (from: string): string => `import '${from}'\n`
  const refused = await lint(await plant({ 'web/planted.tsx': page('../records/ids.ts') }))
  expect(refused).toContain('no-restricted-imports')
  const accepted = await lint(await plant({ 'web/planted.tsx': page('../sidekick/protocol.ts') }))
  expect(accepted).not.toContain('no-restricted-imports')
})

test('a promise that nobody waits for is refused', { timeout: 30_000 }, async () => {
  const floating = `const later = async (): Promise<void> => {}\nlater()\n`
  expect(await lint(await plant({ 'records/planted.ts': floating }))).toContain(
    'no-floating-promises',
  )
})

const FOLDERS = [
  ...['workflows', 'activities', 'records', 'auth', 'config', 'temporal', 'api', 'gateway'],
  ...['sidekick', 'sdk', 'cli', 'web', 'deploy', 'test'],
]

const plant = async (files: Readonly<Record<string, string>>): Promise<string> => {
  const tree = await mkdtemp(path.join(tmpdir(), 'dormouse-laws-'))
  trees.push(tree)
  await symlink(path.join(ROOT, 'node_modules'), path.join(tree, 'node_modules'))
  for (const folder of FOLDERS) await mkdir(path.join(tree, folder, 'support'), { recursive: true })
  for (const file of PLAIN_FILES) await writeFile(path.join(tree, file), 'export {}\n')
  for (const [file, text] of Object.entries(files)) await writeFile(path.join(tree, file), text)
  return tree
}

const cruise = (tree: string): Promise<string> =>
  output(tree, 'depcruise', ['--config', path.join(ROOT, '.dependency-cruiser.cjs'), ...FOLDERS])

const lint = async (tree: string): Promise<string> => {
  await writeFile(path.join(tree, 'tsconfig.json'), '{ "compilerOptions": { "strict": true } }')
  // Its overrides name folders beside it.
  await copyFile(path.join(ROOT, '.oxlintrc.json'), path.join(tree, '.oxlintrc.json'))
  return output(tree, 'oxlint', FOLDERS)
}

/** Both tools answer a refusal with a failing exit code and a report. */
const output = async (cwd: string, tool: string, args: readonly string[]): Promise<string> => {
  const file = path.join(ROOT, 'node_modules/.bin', tool)
  const done = await promisify(execFile)(file, [...args], { cwd }).catch(
    (error: { stdout: string; stderr: string }) => error,
  )
  return done.stdout + done.stderr
}
