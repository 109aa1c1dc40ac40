import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { FAILURES } from '../workflows/errors.ts'

const page = readFileSync(new URL('../docs/errors.md', import.meta.url), 'utf8')

describe('docs/errors.md', () => {
  it('has every failure with its status and whether a retry helps, and no other', () => {
    const rows = [...page.matchAll(/^\| `(\w+)`\s*\| (\d{3})\s*\| (yes|no)\s*\|/gm)].map(
      ([, name, status, retry]) => [name, { status: Number(status), retry: retry === 'yes' }],
    )
    const wanted = Object.entries(FAILURES).map(([name, { status, retry }]) => [
      name,
      { status, retry },
    ])
    expect(Object.fromEntries(rows)).toEqual({
      ...Object.fromEntries(wanted),
      Internal: { status: 500, retry: false },
    })
  })
})
