import { expect, it } from 'vitest'
import { comesFrom } from './sources.ts'

it.each([
  ['ghcr.io/team', 'ghcr.io/team/tools:1', true],
  ['ghcr.io/team/', 'ghcr.io/team/tools:1', true],
  ['ghcr.io/team', 'ghcr.io/team/deep/tools@sha256:0', true],
  ['ghcr.io/team', 'ghcr.io/team-evil/tools:1', false],
  ['ghcr.io/team', 'ghcr.io/team2/tools:1', false],
  ['ghcr.io/team/tools', 'ghcr.io/team/tools:1', true],
  ['ghcr.io/team/tools', 'ghcr.io/team/tools', true],
  ['ghcr.io/team/tools', 'ghcr.io/team/tools@sha256:0', true],
  ['ghcr.io/team/tools', 'ghcr.io/team/tools.evil:1', false],
  ['ghcr.io/team/tools/', 'ghcr.io/team/tools:1', false],
  ['ghcr.io/team/tools:1', 'ghcr.io/team/tools:1@sha256:0', true],
  ['ghcr.io/team/tools:1', 'ghcr.io/team/tools:11', false],
  ['ghcr.io', 'ghcr.io/any/tools:1', true],
  ['ghcr.io', 'ghcr.io.evil.example/any/tools:1', false],
  ['ghcr.io', 'ghcr.io:5000/any/tools:1', false],
  ['ghcr.io:5000', 'ghcr.io:5000/any/tools:1', true],
  ['/', 'ghcr.io/any/tools:1', false],
  ['*', 'ghcr.io/any/tools:1', true],
])('of %s is %s: %s', (source, reference, expected) =>
  expect(comesFrom(reference, source)).toBe(expected),
)
