import { figure } from '../test/figures.ts'
import { describeTerminals } from './testing/terminal-suite.ts'

/** The catalogue's own figures: five minutes of kills, ten minutes away. */
describeTerminals({
  killsForMs: figure(300_000, 60_000),
  killEveryMs: 5_000,
  lines: figure(100_000, 20_000),
  awayMs: figure(600_000, 60_000),
  slowReaders: 20,
  floodForMs: figure(60_000, 20_000),
})
