import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'

const ROOT = path.resolve(import.meta.dirname, '..')
const FOLDERS = [
  ...['workflows', 'activities', 'records', 'auth', 'config', 'temporal', 'api', 'gateway'],
  ...['cli', 'sdk', 'deploy/local', 'test'],
]
const VARIABLE = /(?:DORMOUSE|TEMPORAL|S3)_[A-Z0-9_]+|DATABASE_URL/
const READ = new RegExp(String.raw`(?:env\[|\(\s*env,\s*|variable: )'(${VARIABLE.source})'`, 'g')

const page = readFileSync(path.join(ROOT, 'docs/configuration.md'), 'utf8')
const read = new Set(
  [...FOLDERS.flatMap(filesOf), path.join(ROOT, 'vitest.config.ts')].flatMap((file) =>
    [...readFileSync(file, 'utf8').matchAll(READ)].flatMap(([, name]) => name ?? []),
  ),
)

test('every variable that is read has its line in docs/configuration.md', () => {
  expect([...read].filter((name) => !page.includes(`\`${name}\``))).toEqual([])
})

test('docs/configuration.md names no variable that nobody reads', () => {
  const named = [...page.matchAll(new RegExp(`\`(${VARIABLE.source})\``, 'g'))]
  expect(new Set(named.map(([, name]) => name ?? '').filter((name) => !read.has(name)))).toEqual(
    new Set(),
  )
})

function filesOf(folder: string): string[] {
  return readdirSync(path.join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.tsx?$/.test(file))
    .map((file) => path.join(ROOT, folder, file))
}
