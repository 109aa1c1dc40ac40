import { describeTerminals } from './testing/terminal-suite.ts'

/** The catalogue's own figures: five minutes of kills, ten minutes away. */
describeTerminals({
  killsForMs: 300_000,
  killEveryMs: 5_000,
  lines: 100_000,
  awayMs: 600_000,
  slowReaders: 20,
  floodForMs: 60_000,
})
