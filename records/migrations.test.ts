import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'

const FOLDER = path.join(import.meta.dirname, 'migrations')
/** Services of the release before run on the newer schema, during an upgrade and after a rollback. */
const TAKES_AWAY =
  /\b(drop\s+(table|column|type)|rename\b|truncate\b|delete\s+from|set\s+not\s+null)/i
/** A row that older services write has no value for it. */
const ASKS_FOR_MORE = /\badd\s+(column\s+)?\w+\s[^;]*\bnot\s+null\b(?![^;,]*\bdefault\b)/i

test('a migration only adds: what the release before reads and writes stays as it was', () => {
  const files = readdirSync(FOLDER).filter((file) => file.endsWith('.sql'))
  expect(files.length).toBeGreaterThan(3)
  for (const file of files) {
    const sql = readFileSync(path.join(FOLDER, file), 'utf8').replaceAll(/--.*/g, '')
    expect(sql, file).not.toMatch(TAKES_AWAY)
    expect(sql, file).not.toMatch(ASKS_FOR_MORE)
  }
})

test.each([
  'alter table parts drop column sha256',
  'alter table parts rename column key to name',
  'alter table parts alter column sha256 set not null',
  'alter table parts add column origin text not null',
  'drop table parts',
])('%s would be refused', (sql) => {
  expect(TAKES_AWAY.test(sql) || ASKS_FOR_MORE.test(sql)).toBe(true)
})

test.each([
  'alter table parts add column origin text',
  "alter table parts add column origin text not null default 'here'",
  'alter table parts drop constraint parts_state_check',
  'create table walls (part text primary key, holds boolean not null)',
])('%s would not', (sql) => {
  expect(TAKES_AWAY.test(sql) || ASKS_FOR_MORE.test(sql)).toBe(false)
})
