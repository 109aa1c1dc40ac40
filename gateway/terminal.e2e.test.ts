import { describeTerminals } from './testing/terminal-suite.ts'

describeTerminals({
  killsForMs: 12_000,
  killEveryMs: 2_000,
  lines: 4_000,
  awayMs: 4_000,
  slowReaders: 6,
  floodForMs: 8_000,
})
