import { existsSync } from 'node:fs'
import { configDefaults, defineConfig } from 'vitest/config'

const serverSuite = {
  pool: 'forks',
  // One stack at a time: the suites kill processes and measure time.
  fileParallelism: false,
  globalSetup: ['test/support/servers.ts'],
  // A hang is a failure; a busy machine is not.
  testTimeout: 400_000,
  hookTimeout: 180_000,
  teardownTimeout: 30_000,
} as const

const WORKFLOWS = 'workflows/**/*.e2e.test.ts'

const unitProject = (name: string, ...exclude: readonly string[]) => ({
  extends: true as const,
  test: {
    name,
    include: ['**/*.test.{ts,tsx}'],
    exclude: [
      ...configDefaults.exclude,
      'dist/**',
      '**/*.e2e.test.{ts,tsx}',
      '**/*.faults.test.{ts,tsx}',
      '**/*.kubernetes.test.{ts,tsx}',
      ...exclude,
    ],
  },
})

/** With DORMOUSE_TEST_REPORTS, a folder, each run also leaves its results there as JSON. */
const reports = process.env['DORMOUSE_TEST_REPORTS']
const reporters =
  reports === undefined
    ? ['default']
    : ['default', ['json', { outputFile: `${reports}/${process.pid}.json` }] as const]

export default defineConfig({
  test: {
    reporters: reporters as ['default'],
    // Nobody watches a CI run that could start it again. The reporter names every test that needed this.
    retry: process.env['CI'] === 'true' ? 1 : 0,
    exclude: [...configDefaults.exclude, 'dist/**'],
    projects: [
      unitProject('unit'),
      // The sidekick and its saves run on the packaged Node alone, which has zstd.
      unitProject('unit-any-node', 'sidekick/**'),
      {
        extends: true,
        test: {
          ...serverSuite,
          name: 'e2e',
          include: ['**/*.e2e.test.{ts,tsx}'],
          exclude: [...configDefaults.exclude, 'dist/**', WORKFLOWS],
        },
      },
      {
        extends: true,
        test: {
          ...serverSuite,
          name: 'e2e-workflows',
          include: [WORKFLOWS],
          // They start no process and mostly wait for timers; after the others, over the same servers.
          fileParallelism: true,
          maxWorkers: 3,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: 'faults',
          include: ['**/*.faults.test.{ts,tsx}'],
          ...serverSuite,
          // Each file has a stack of its own, and most of their time is waiting: two at once on two cores.
          fileParallelism: true,
          maxWorkers: 2,
          // the catalogue's own figures: 100 lives, 100 killed saves, ten minutes without a store
          testTimeout: 2_400_000,
        },
      },
      {
        extends: true,
        test: {
          ...serverSuite,
          name: 'kubernetes',
          include: ['**/*.kubernetes.test.{ts,tsx}'],
          globalSetup: ['test/support/cluster.ts', 'test/support/servers.ts'].filter((file) =>
            existsSync(file),
          ),
        },
      },
    ],
  },
})
